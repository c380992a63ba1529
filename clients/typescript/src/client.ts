/** The calls of Routing, over any transport: what the generated code lacks for a program that only wants answers. */
import { create, type DescMessage, type Message, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { createClient, type CallOptions, type Client as Generated, type Transport } from "@connectrpc/connect";

import { failed, type QuickthornError } from "./errors.js";
import { Fold } from "./fold.js";
import { CompletionRequestSchema, type Completion } from "./generated/quickthorn/v1/completion_pb.js";
import { EmbedRequestSchema, type EmbedResponse } from "./generated/quickthorn/v1/embedding_pb.js";
import type { CompletionEvent } from "./generated/quickthorn/v1/events_pb.js";
import type { Explanation } from "./generated/quickthorn/v1/explanation_pb.js";
import { Routing } from "./generated/quickthorn/v1/routing_service_pb.js";
import { ListRoutesRequestSchema, type ListRoutesResponse } from "./generated/quickthorn/v1/route_pb.js";

/** Long enough for a long answer, short enough that nothing waits for ever. */
export const DEFAULT_TIMEOUT_MS = 600_000;

/** What every client takes, wherever it runs. */
export interface ClientOptions {
  /** Sent as `authorization: Bearer ...`. Without TLS it travels in clear text. */
  apiKey?: string | undefined;
  /** The deadline of calls that have none of their own, in ms; 0 = none. Default: 600 s. */
  timeoutMs?: number | undefined;
}

type CompletionInit = MessageInitShape<typeof CompletionRequestSchema>;

/** Makes calls over one transport. Every method takes connect-es's own options of a call: `signal`, `timeoutMs`, `headers`. */
export class Client {
  readonly #routing: Generated<typeof Routing>;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #closed = new AbortController();

  /** `connect` makes one; `headers` go with every call. */
  constructor(transport: Transport, headers: Record<string, string>, { apiKey }: ClientOptions) {
    if (apiKey !== undefined && !travels(apiKey)) {
      // The key itself stays out of the message.
      throw new TypeError("apiKey is empty or holds a space, line break or other character no header can carry");
    }
    this.#routing = createClient(Routing, transport);
    this.#headers = apiKey === undefined ? headers : { ...headers, authorization: `Bearer ${apiKey}` };
  }

  /** Answers whole. Rejects, as all calls do, with a QuickthornError. */
  complete(request: CompletionInit, options?: CallOptions): Promise<Completion> {
    return this.#call(CompletionRequestSchema, request, options, this.#routing.complete);
  }

  /** Answers piece by piece. The call begins when the first event is asked for. */
  stream(request: CompletionInit, options: CallOptions = {}): Stream {
    const message = create(CompletionRequestSchema, request);
    const abort = linked(options.signal, this.#closed.signal);
    return new Stream(this.#routing.streamComplete.bind(null, message, this.#options(message, options, abort)), abort);
  }

  /** Says what would happen to a request, and why, without doing it. */
  explain(request: CompletionInit, options?: CallOptions): Promise<Explanation> {
    return this.#call(CompletionRequestSchema, request, options, this.#routing.explain);
  }

  /** Turns inputs into vectors. */
  embed(request: MessageInitShape<typeof EmbedRequestSchema>, options?: CallOptions): Promise<EmbedResponse> {
    return this.#call(EmbedRequestSchema, request, options, this.#routing.embed);
  }

  /** Lists the routes that the caller may use. */
  listRoutes(options?: CallOptions): Promise<ListRoutesResponse> {
    return this.#call(ListRoutesRequestSchema, {}, options, this.#routing.listRoutes);
  }

  /** Cancels what is running and closes the connection. An idle connection keeps no program from ending. */
  close(): void {
    this.#closed.abort();
  }

  /** Aborted once this client is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  async #call<I extends DescMessage, O>(
    schema: I,
    request: MessageInitShape<I>,
    options: CallOptions = {},
    method: (message: MessageShape<I>, options: CallOptions) => Promise<O>,
  ): Promise<O> {
    const message = create(schema, request);
    const abort = linked(options.signal, this.#closed.signal);
    const own = this.#options(message, options, abort);
    try {
      return await method(message, own);
    } catch (reason) {
      throw failed(reason, abort.signal.aborted);
    } finally {
      abort.abort(); // lets go of the signals it is linked to
    }
  }

  /** The request's identifier travels as a header, too, so that even a refusal echoes it. */
  #options(message: Message, options: CallOptions, { signal }: AbortController): CallOptions {
    const headers = new Headers(options.headers);
    for (const [name, value] of Object.entries(this.#headers)) {
      headers.set(name, value);
    }
    if ("requestId" in message && typeof message.requestId === "string" && travels(message.requestId)) {
      headers.set("quickthorn-request-id", message.requestId);
    }
    return { ...options, headers, signal };
  }
}

/**
 * The events of one answer, as they come; to be read once.
 *
 * Leaving a loop over it cancels what is not finished, and the server closes its connections to providers. Reading
 * rejects when the call fails, and also when the stream ends without `finished` (reason STREAM_CUT).
 */
export class Stream implements AsyncIterableIterator<CompletionEvent> {
  readonly #open: () => AsyncIterable<CompletionEvent>;
  readonly #abort: AbortController;
  readonly #fold = new Fold();
  #events: AsyncIterator<CompletionEvent> | undefined;

  /** `open` makes the call, and `abort` ends it. */
  constructor(open: () => AsyncIterable<CompletionEvent>, abort: AbortController) {
    this.#open = open;
    this.#abort = abort;
    // connect-es lets go of a call, and of the timer of its deadline, when it is read to its end, also one that failed.
    abort.signal.addEventListener("abort", () => void this.#events?.next().catch(() => undefined));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<CompletionEvent, undefined>> {
    try {
      this.#events ??= this.#open()[Symbol.asyncIterator]();
      const { done, value } = await this.#events.next();
      if (!done) {
        this.#fold.add(value);
        return { done: false, value };
      }
      this.#fold.completion();
    } catch (reason) {
      if (!this.#fold.finished) {
        throw this.#failed(reason);
      } // else the answer is whole, only its trailers are missing
    }
    return this.return();
  }

  /** What leaving a loop does: connect-es lets a call run on. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.cancel();
    return { done: true, value: undefined };
  }

  /** Yields the answer's text, piece by piece, and nothing else. */
  async *text(): AsyncGenerator<string, void, undefined> {
    for await (const { event } of this) {
      if (event.case === "text" && event.value.text) {
        yield event.value.text;
      }
    }
  }

  /** Reads what is left and returns the whole answer, with what had been read before. */
  async fold(): Promise<Completion> {
    for await (const _ of this);
    return this.#fold.completion();
  }

  /** Cancels what is not finished; what waits for the next event rejects with CANCELED. */
  cancel(): void {
    this.#abort.abort();
  }

  #failed(reason: unknown): QuickthornError {
    const error = failed(reason, this.#abort.signal.aborted);
    this.cancel();
    return error;
  }
}

/** Returns a controller that is aborted with the first of `signals`, and lets go of them when it is. */
function linked(...signals: (AbortSignal | undefined)[]): AbortController {
  const own = new AbortController();
  for (const signal of signals) {
    if (signal?.aborted) {
      own.abort(signal.reason);
    }
    signal?.addEventListener("abort", () => own.abort(signal.reason), { signal: own.signal });
  }
  return own;
}

/** Whether `value` can stand in a header. */
function travels(value: string): boolean {
  return /^[!-~]+$/.test(value);
}
