/** From the events of a streamed answer to the whole answer, by the law in `quickthorn/v1/events.proto`. */
import { create } from "@bufbuild/protobuf";

import { streamCut } from "./errors.js";
import { CompletionSchema, type Completion } from "./generated/quickthorn/v1/completion_pb.js";
import {
  MessageSchema,
  PartSchema,
  Role,
  ToolCallSchema,
  type Message,
  type Part,
  type ToolCall,
} from "./generated/quickthorn/v1/content_pb.js";
import type { CompletionEvent, Finished, Started, ToolCallDelta } from "./generated/quickthorn/v1/events_pb.js";

/** Returns the text of an answer: its text parts joined, without reasoning, refusals or tool calls. */
export function text(answer: Completion | Message): string {
  return parts(answer).map(({ kind }) => (kind.case === "text" ? kind.value : "")).join("");
}

/** Returns the tool calls of an answer, in order. */
export function toolCalls(answer: Completion | Message): ToolCall[] {
  return parts(answer).flatMap(({ kind }) => (kind.case === "toolCall" ? [kind.value] : []));
}

/**
 * Returns the Completion that `complete` would have returned, from events that came from elsewhere than `Stream`.
 *
 * Rejects with a QuickthornError of the reason STREAM_CUT if they end without `finished`.
 */
export async function fold(events: Iterable<CompletionEvent> | AsyncIterable<CompletionEvent>): Promise<Completion> {
  const folded = new Fold();
  for await (const event of events) {
    folded.add(event);
  }
  return folded.completion();
}

/** Folds events one by one, so that they can be shown while they are folded. */
export class Fold {
  #started: Started | undefined;
  #finished: Finished | undefined;
  #parts = new Map<number, Part>();

  /** Whether `finished` has come, so that there is a whole answer. */
  get finished(): boolean {
    return this.#finished !== undefined;
  }

  /** Takes in the next event. One of an unknown kind changes nothing. */
  add({ event }: CompletionEvent): void {
    switch (event.case) {
      case "started":
        this.#started = event.value;
        break;
      case "text":
      case "reasoning":
        this.#append(event.value.part, event.case, event.value.text);
        break;
      case "toolCall":
        this.#call(event.value);
        break;
      case "part":
        this.#keep(event.value.part, event.value.value ?? create(PartSchema));
        break;
      case "finished":
        this.#finished = event.value;
    }
  }

  /** Returns the answer so far. Its parts stand in the order of their indices. */
  message(): Message {
    const ordered = [...this.#parts].sort(([one], [other]) => one - other);
    return create(MessageSchema, { role: Role.ASSISTANT, parts: ordered.map(([, part]) => ({ ...part })) });
  }

  /** Returns the whole answer. Throws a QuickthornError of the reason STREAM_CUT before `finished` has come. */
  completion(): Completion {
    if (!this.#finished) {
      throw streamCut();
    }
    const { finishReason, stopSequence, usage, costNanoUsd, trace } = this.#finished;
    const { id, requestId } = this.#started ?? {};
    const end = { finishReason, stopSequence, usage, costNanoUsd, trace };
    return create(CompletionSchema, { id, requestId, message: this.message(), ...end });
  }

  #part(index: number): Part {
    const part = this.#parts.get(index) ?? create(PartSchema);
    this.#parts.set(index, part);
    return part;
  }

  #append(index: number, kind: "text" | "reasoning", piece: string): void {
    const part = this.#part(index);
    part.kind = { case: kind, value: (part.kind.case === kind ? part.kind.value : "") + piece };
  }

  #call({ part: index, id, name, argumentsJson }: ToolCallDelta): void {
    const part = this.#part(index);
    const before = part.kind.case === "toolCall" ? part.kind.value : create(ToolCallSchema, { id, name });
    const whole = { ...before, argumentsJson: before.argumentsJson + argumentsJson };
    part.kind = { case: "toolCall", value: whole };
  }

  /** Citations accumulate; everything else that a part event carries is put on whole. */
  #keep(index: number, value: Part): void {
    const part = this.#part(index);
    this.#parts.set(index, {
      ...value,
      kind: value.kind.case ? value.kind : part.kind,
      cache: value.cache ?? part.cache,
      opaque: value.opaque ?? part.opaque,
      citations: [...part.citations, ...value.citations],
      $unknown: [...(part.$unknown ?? []), ...(value.$unknown ?? [])], // kinds that a newer server knows
    });
  }
}

function parts(answer: Completion | Message): readonly Part[] {
  const message = answer.$typeName === "quickthorn.v1.Completion" ? answer.message : answer;
  return message?.parts ?? [];
}
