/** Quickthorn from Node, over gRPC. */
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";

import { fromBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

import { Client, DEFAULT_TIMEOUT_MS, type ClientOptions } from "./client.js";
import { StatusSchema } from "./generated/google/rpc/status_pb.js";
import { VERSION } from "./version.js";

export { Code } from "@connectrpc/connect";
export type { CallOptions } from "@connectrpc/connect";
export { Client, Stream, type ClientOptions } from "./client.js";
export { QuickthornError, STREAM_CUT } from "./errors.js";
export { Fold, fold, text, toolCalls } from "./fold.js";
export { VERSION } from "./version.js";

const MESSAGE_LIMIT = 32 * 1024 * 1024;
const TARGET = /^(?:(https?):\/\/)?([^/?#@\s]*[^/?#@\s:]:\d+)\/?$/i;
const DETAILS = "grpc-status-details-bin";
// A model may think for minutes: pings keep middleboxes from forgetting the connection and find a dead one.
const PINGS = { pingIntervalMs: 30_000, pingTimeoutMs: 10_000, pingIdleConnection: true };

/** How to speak TLS. PEM text, as Node's own TLS takes it. */
export interface Tls {
  /** Whom to trust. Default: the roots that Node brings along. */
  ca?: string | Buffer | undefined;
  /** Who we are, with `key`: both or neither. */
  cert?: string | Buffer | undefined;
  key?: string | Buffer | undefined;
  /** The name to expect in the server's certificate if it is not the target's. */
  serverName?: string | undefined;
}

export interface NodeOptions extends ClientOptions {
  /** Default: TLS with Node's roots for `https://` targets, none for others. */
  tls?: boolean | Tls | undefined;
}

/**
 * Returns a client of the server at `target`: `host:port`, `http://host:port` (the same), or `https://host:port` (TLS).
 *
 * Throws a TypeError for anything else. Connects with the first call, and again when a connection was lost.
 */
export function connect(target = "127.0.0.1:50051", options: NodeOptions = {}): Client {
  const baseUrl = addressed(target, options.tls);
  const session = new Session(baseUrl, PINGS, secured(options.tls));
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager: session,
    defaultTimeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    readMaxBytes: MESSAGE_LIMIT,
    writeMaxBytes: MESSAGE_LIMIT,
  });
  const client = new Client(transport, { "user-agent": `quickthorn-typescript/${VERSION}` }, options);
  client.closed.addEventListener("abort", () => session.end());
  return client;
}

function addressed(target: string, tls: NodeOptions["tls"]): string {
  const [, scheme, address] = TARGET.exec(target) ?? [];
  if (!address) {
    const other = /^(?!https?:)\w+(?=:\/\/)/i.exec(target);
    const fault = other ? `is neither http:// nor https://, but ${other[0]}://` : "is no host and port";
    throw new TypeError(`target "${target}" ${fault}; use "host:port", such as "127.0.0.1:50051", or "https://host:port"`);
  }
  if (tls && scheme?.toLowerCase() === "http") {
    throw new TypeError(`target "${target}" is clear text, and tls is asked for; use "https://${address}"`);
  }
  return `${scheme?.toLowerCase() ?? (tls ? "https" : "http")}://${address}`;
}

function secured(tls: NodeOptions["tls"]) {
  const { serverName, ...pems } = typeof tls === "object" ? tls : {};
  if (!pems.cert !== !pems.key) {
    throw new TypeError("a client certificate needs both cert and key");
  }
  return serverName ? { ...pems, servername: serverName } : pems;
}

/** The HTTP/2 connection of connect-node, put right in three places. */
class Session extends Http2SessionManager {
  #connection: ClientHttp2Session | undefined;

  /** Whatever keeps a request from being sent is UNAVAILABLE: connect-node says INTERNAL of most that TLS refuses. */
  override async request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: Parameters<Http2SessionManager["request"]>[3],
  ): Promise<ClientHttp2Stream> {
    try {
      const stream = await super.request(method, path, headers, options);
      this.#connection = stream.session as ClientHttp2Session;
      return stream.on("response", withoutGarbage).on("trailers", withoutGarbage);
    } catch (reason) {
      const { rawMessage } = ConnectError.from(reason);
      const fault = rawMessage.includes("wrong version number") ? "it speaks no TLS" : rawMessage.trim();
      const message = `no connection to ${this.authority}: ${fault}`;
      throw new ConnectError(message, Code.Unavailable, undefined, undefined, reason);
    }
  }

  /** Closes the connection once its calls, which are cancelled, are gone: `abort` tells the server of an error. */
  end(): void {
    if (this.state() === "connecting") {
      this.abort();
    }
    this.#connection?.close();
  }
}

/** Takes out what is none: a proxy may write anything, and connect-es would hide the status behind DATA_LOSS or UNKNOWN. */
function withoutGarbage(headers: IncomingHttpHeaders): void {
  if (!agrees(String(headers[DETAILS] ?? ""), headers["grpc-status"])) {
    delete headers[DETAILS];
  }
  const message = String(headers["grpc-message"] ?? "");
  if (/%(?![0-9a-f]{2})/i.test(message)) {
    headers["grpc-message"] = encodeURIComponent(message);
  }
}

function agrees(details: string, status: unknown): boolean {
  try {
    return String(fromBinary(StatusSchema, base64Decode(details)).code) === status;
  } catch {
    return false;
  }
}
