import assert from "node:assert/strict";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";

import { create, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { Code, connect, type QuickthornError } from "@quickthorn/client";
import { ErrorInfoSchema, RetryInfoSchema } from "@quickthorn/client/google/rpc/error_details";
import { StatusSchema } from "@quickthorn/client/google/rpc/status";

const wait = anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: { seconds: 1n, nanos: 5e8 } }));
const torn = { typeUrl: "type.googleapis.com/google.rpc.ErrorInfo", value: Uint8Array.of(0xff) };

function details(status: MessageInitShape<typeof StatusSchema>): string {
  return base64Encode(toBinary(StatusSchema, create(StatusSchema, status)));
}

function info(domain: string) {
  return anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { domain, reason: "DRAINING" }));
}

/** Returns how a call fails on a server that answers with these headers and nothing else. */
async function failure(headers: Record<string, string>): Promise<QuickthornError> {
  const server = createServer().on("stream", (stream) => {
    stream.respond({ "content-type": "application/grpc", "grpc-status": "14", ...headers }, { endStream: true });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = connect(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    return await client.listRoutes().then(() => assert.fail("it answered"), (error) => error);
  } finally {
    client.close();
    server.close();
  }
}

test("details that are none hide neither the status nor its message", async () => {
  const garbled = ["%%%", "", "AAAA", details({ code: 0 }), details({ code: 5, message: "something else" })];
  for (const each of garbled) {
    const error = await failure({ "grpc-status-details-bin": each, "grpc-message": "who%20knows" });
    assert.deepEqual([error.code, error.message, error.fromServer], [Code.Unavailable, "who knows", false], each);
  }
});

test("a message that is not percent-encoded is taken as it is", async () => {
  const error = await failure({ "grpc-message": "100% lost" });
  assert.deepEqual([error.code, error.message], [Code.Unavailable, "100% lost"]);
});

test("only what carries our domain is the server's word", async () => {
  for (const [domain, fromServer] of [["quickthorn", true], ["proxy.example.com", false]] as const) {
    const error = await failure({ "grpc-status-details-bin": details({ code: 14, details: [info(domain), wait] }) });
    assert.deepEqual([error.fromServer, error.reason, error.retryDelayMs], [fromServer, fromServer ? "DRAINING" : "", 1500]);
  }
});

test("one detail that is torn takes no other with it", async () => {
  const error = await failure({ "grpc-status-details-bin": details({ code: 14, details: [torn, wait] }) });
  assert.deepEqual([error.fromServer, error.retryDelayMs], [false, 1500]);
});

test("a status without any words still has some", async () => {
  assert.match((await failure({})).message, /\w/);
});

test("a cancel that nobody on this side asked for is a status if the server sent it, else a broken connection", async () => {
  assert.equal((await failure({ "grpc-status": "1" })).code, Code.Canceled);
});
