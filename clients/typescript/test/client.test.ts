import assert from "node:assert/strict";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport, type HandlerContext, type Transport } from "@connectrpc/connect";
import { Client, connect, STREAM_CUT, type QuickthornError } from "@quickthorn/client";
import { CompletionEventSchema, type CompletionEvent } from "@quickthorn/client/v1/events";
import { Routing } from "@quickthorn/client/v1/routing_service";
import { connect as connectWeb } from "@quickthorn/client/web";

type Events = AsyncIterable<{ event: CompletionEvent["event"] }>;

function streaming(answer: (context: HandlerContext) => AsyncIterable<object>): Client {
  const transport: Transport = createRouterTransport(({ service }) => {
    service(Routing, { streamComplete: (_, context) => answer(context) as Events as AsyncIterable<CompletionEvent> });
  });
  return new Client(transport, {}, {});
}

const finished = { event: { case: "finished", value: {} } };
const token = { event: { case: "text" as const, value: { text: "a" } } };

async function read(events: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of events) {
    count += 1;
  }
  return count;
}

test("an answer that is whole is no failure, whatever becomes of its trailers", async () => {
  const client = streaming(async function* () {
    yield finished;
    throw new ConnectError("gone", Code.Unavailable);
  });
  assert.equal(await read(client.stream({})), 1);
});

test("whoever only reads the text learns that it was cut", async () => {
  const client = streaming(async function* () {
    yield token;
  });
  await assert.rejects(read(client.stream({}).text()), { name: "QuickthornError", reason: STREAM_CUT });
});

test("leaving a loop over the text cancels the call, and so does the signal of the caller", async () => {
  const caller = new AbortController();
  const leave = [(): boolean => true, () => (caller.abort(), false)];
  for (const leaves of leave) {
    let cancelled: Promise<unknown> | undefined;
    const client = streaming(async function* ({ signal }) {
      cancelled = new Promise((resolve) => signal.addEventListener("abort", resolve));
      yield token;
      await cancelled;
    });
    try {
      for await (const _ of client.stream({}, { signal: caller.signal }).text()) {
        if (leaves()) break;
      }
    } catch (error) {
      assert.equal((error as QuickthornError).code, Code.Canceled);
    }
    await cancelled;
  }
});

test("a loop that was left holds no timer that keeps a program from ending", async () => {
  const event = toBinary(CompletionEventSchema, create(CompletionEventSchema, { event: token.event }));
  const server = createServer().on("stream", (stream) => {
    stream.respond({ "content-type": "application/grpc" });
    stream.write(Uint8Array.of(0, 0, 0, 0, event.length, ...event));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = connect(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers();
  for await (const _ of client.stream({}, { timeoutMs: 60_000 })) {
    assert.equal(timers(), before + 1);
    break;
  }
  await sleep(20);
  assert.equal(timers(), before);
  client.close();
  server.close();
});

test("a client that is closed makes no call, and ends those that run", async () => {
  const client = streaming(async function* ({ signal }) {
    yield token;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  });
  const running = client.stream({});
  await running.next();
  const next = running.next();
  client.close();
  for (const call of [next, client.stream({}).next(), client.listRoutes()]) {
    await assert.rejects(call, { name: "QuickthornError", code: Code.Canceled });
  }
});

test("an identifier that no header can carry goes in the request alone", async () => {
  const seen: (string | null)[] = [];
  const client = streaming(async function* ({ requestHeader }) {
    seen.push(requestHeader.get("quickthorn-request-id"));
    yield finished;
  });
  for (const requestId of ["r-1", "no good", "né"]) {
    await client.stream({ requestId }).fold();
  }
  assert.deepEqual(seen, ["r-1", null, null]);
});

test("what cannot work is refused at once, and a key is never shown", () => {
  for (const target of ["", "localhost", ":1", "a b:1", "unix:/x", "http://x", "https://x:1/y", "ftp://x:1"]) {
    assert.throws(() => connect(target), /use "host:port"/, target);
  }
  assert.throws(() => connect("http://x:1", { tls: true }), /use "https:\/\/x:1"/);
  assert.throws(() => connect("x:1", { tls: { cert: "x" } }), /both cert and key/);
  assert.throws(() => connectWeb("x:1"), /https:\/\//);
  for (const apiKey of ["", "se cret", "secret\n"]) {
    assert.throws(() => connect("x:1", { apiKey }), (error: Error) => !/secret|se cret/.test(error.message));
  }
});
