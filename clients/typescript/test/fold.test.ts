import assert from "node:assert/strict";
import { test } from "node:test";

import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { Fold, fold, QuickthornError, STREAM_CUT, text } from "@quickthorn/client";
import { PartSchema } from "@quickthorn/client/v1/content";
import { CompletionEventSchema } from "@quickthorn/client/v1/events";

type Event = MessageInitShape<typeof CompletionEventSchema>["event"];
type PartInit = MessageInitShape<typeof PartSchema>;

const delta = (part: number, words: string): Event => ({ case: "text", value: { part, text: words } });
const late = (part: number, value: PartInit): Event => ({ case: "part", value: { part, value } });
const finished: Event = { case: "finished", value: {} };

async function parts(...events: Event[]) {
  const answer = await fold([...events, finished].map((event) => create(CompletionEventSchema, { event: event! })));
  return answer.message!.parts;
}

test("what comes late for a part is put on it: citations add up, state and hints replace", async () => {
  const [part] = await parts(
    delta(0, "It "),
    late(0, { citations: [{ uri: "a" }], opaque: { itemId: "1" } }),
    delta(0, "rains."),
    late(0, { citations: [{ uri: "b" }], opaque: { itemId: "2" }, cache: {} }),
  );
  assert.deepEqual(part!.kind, { case: "text", value: "It rains." });
  assert.deepEqual(part!.citations.map(({ uri }) => uri), ["a", "b"]);
  assert.equal(part!.opaque!.itemId, "2");
  assert.ok(part!.cache);
});

test("parts stand in the order of their indices, whatever the order of events", async () => {
  const folded = await parts(delta(1, "b"), late(2, { kind: { case: "refusal", value: "c" } }), delta(0, "a"), delta(1, "b"));
  assert.deepEqual(folded.map(({ kind }) => kind.value), ["a", "bb", "c"]);
});

test("a part of a kind that only a newer server knows survives", async () => {
  const bytes = Uint8Array.of(0xfa, 0x07, 1, 7); // field 127
  const [part] = await parts(late(0, fromBinary(PartSchema, bytes)));
  assert.deepEqual(toBinary(PartSchema, part!), bytes);
});

test("events are left as they came, and so is what was folded before", async () => {
  const event = create(CompletionEventSchema, { event: late(0, { kind: { case: "text", value: "a" } })! });
  const folded = new Fold();
  folded.add(event);
  const before = folded.message();
  folded.add(create(CompletionEventSchema, { event: delta(0, "b")! }));
  assert.deepEqual([text(before), text(folded.message())], ["a", "ab"]);
  assert.equal(event.event.case === "part" && event.event.value.value!.kind.value, "a");
});

test("events without an end are no answer", async () => {
  await assert.rejects(fold([]), (error) => error instanceof QuickthornError && error.reason === STREAM_CUT);
});
