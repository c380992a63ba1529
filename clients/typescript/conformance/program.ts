/** The TypeScript client's program for the conformance cases: see tests/conformance/README.md. */
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import {
  createRegistry,
  fromBinary,
  toBinary,
  type DescFile,
  type DescMessage,
  type MessageShape,
} from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { Code, connect, QuickthornError, type CallOptions, type Client } from "@quickthorn/client";
import { CompletionRequestSchema, CompletionSchema } from "@quickthorn/client/v1/completion";
import { EmbedRequestSchema, EmbedResponseSchema } from "@quickthorn/client/v1/embedding";
import { CompletionEventSchema } from "@quickthorn/client/v1/events";
import { ExplanationSchema } from "@quickthorn/client/v1/explanation";
import { ListRoutesResponseSchema } from "@quickthorn/client/v1/route";

interface Case {
  id: string;
  call: "complete" | "stream" | "embed" | "explain" | "list_routes" | "decode";
  target: string;
  tls?: { ca?: string; cert?: string; key?: string };
  api_key?: string;
  request: string;
  timeout_ms?: number;
  metadata?: Record<string, string>;
  cancel_after_events?: number;
  cancel_after_ms?: number;
  pause_ms?: number;
  type: string;
  data: string;
}
interface Result {
  id: string;
  response?: string;
  events?: string[];
  folded?: string;
  cancelled?: true;
  error?: object;
  elapsed_ms?: number;
}

const types = createRegistry(...(await files()));

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as Case))}\n`);
}

async function answer(given: Case): Promise<Result> {
  const result: Result = { id: given.id };
  if (given.call === "decode") {
    const schema = types.getMessage(given.type)!;
    return { ...result, response: encoded(schema, decoded(schema, given.data)) };
  }
  const began = performance.now();
  const abort = new AbortController();
  try {
    const client = connect(given.target, { apiKey: given.api_key, tls: papers(given) });
    if (given.cancel_after_ms !== undefined) {
      setTimeout(() => abort.abort(), given.cancel_after_ms);
    }
    await (given.call === "stream" ? stream : unary)(client, given, optionsOf(given, abort), result);
    if (!result.cancelled) {
      client.close(); // would cancel, too, what leaving the loop must cancel by itself
    }
  } catch (error) {
    if (abort.signal.aborted && error instanceof QuickthornError && error.code === Code.Canceled) {
      result.cancelled = true;
    } else {
      result.error = told(error);
    }
  }
  result.elapsed_ms = performance.now() - began;
  return result;
}

async function unary(client: Client, { call, request }: Case, options: CallOptions, result: Result): Promise<void> {
  if (call === "complete") {
    const answer = await client.complete(decoded(CompletionRequestSchema, request), options);
    result.response = encoded(CompletionSchema, answer);
  } else if (call === "explain") {
    const answer = await client.explain(decoded(CompletionRequestSchema, request), options);
    result.response = encoded(ExplanationSchema, answer);
  } else if (call === "embed") {
    const answer = await client.embed(decoded(EmbedRequestSchema, request), options);
    result.response = encoded(EmbedResponseSchema, answer);
  } else {
    result.response = encoded(ListRoutesResponseSchema, await client.listRoutes(options));
  }
}

/** Reads one stream, as slowly and as far as asked; the loop is left where a user would leave it. */
async function stream(client: Client, given: Case, options: CallOptions, result: Result): Promise<void> {
  const events: string[] = (result.events = []);
  const answers = client.stream(decoded(CompletionRequestSchema, given.request), options);
  if (given.cancel_after_events === 0) {
    answers.cancel();
    result.cancelled = true;
    return;
  }
  for await (const event of answers) {
    events.push(encoded(CompletionEventSchema, event));
    if (events.length === given.cancel_after_events) {
      result.cancelled = true;
      break;
    }
    await sleep(given.pause_ms ?? 0);
  }
  if (!result.cancelled) {
    result.folded = encoded(CompletionSchema, await answers.fold());
  }
}

function optionsOf({ metadata, timeout_ms }: Case, { signal }: AbortController): CallOptions {
  return { headers: metadata ?? {}, signal, ...(timeout_ms === undefined ? {} : { timeoutMs: timeout_ms }) };
}

function papers({ tls }: Case) {
  const pem = (path?: string) => (path === undefined ? undefined : readFileSync(path));
  return tls && { ca: pem(tls.ca), cert: pem(tls.cert), key: pem(tls.key) };
}

/** Returns all that the typed error says; what the helper refuses is a TypeError. */
function told(error: unknown): object {
  if (error instanceof QuickthornError) {
    return {
      code: Code[error.code].replace(/(?!^)(?=[A-Z])/g, "_").toUpperCase().replace("CANCELED", "CANCELLED"),
      reason: error.reason,
      message: error.message,
      from_server: error.fromServer,
      retry_delay_ms: error.retryDelayMs,
      attempts: error.attempts.length,
      fields: error.fieldViolations.map((violation) => violation.field),
      request_id: error.requestId,
    };
  }
  if (!(error instanceof TypeError)) {
    throw error;
  }
  const nothing = { reason: "", from_server: false, attempts: 0, fields: [], request_id: "" };
  return { code: "INVALID_ARGUMENT", message: error.message, ...nothing };
}

/** Returns all files of the contract: the package exports each as its module's `file_...`. */
async function files(): Promise<DescFile[]> {
  const names = readdirSync("../../proto/quickthorn/v1").map((name) => name.replace(/\.proto$/, ""));
  const modules = names.map(async (name) => {
    const module = (await import(`@quickthorn/client/v1/${name}`)) as Record<string, DescFile>;
    return module[`file_quickthorn_v1_${name}`]!;
  });
  return Promise.all(modules);
}

function encoded<D extends DescMessage>(schema: D, message: MessageShape<D>): string {
  return base64Encode(toBinary(schema, message));
}

function decoded<D extends DescMessage>(schema: D, data: string): MessageShape<D> {
  return fromBinary(schema, base64Decode(data));
}
