/** Quickthorn from a browser, over gRPC-Web: through a proxy that speaks it, such as Envoy. */
import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { Client, DEFAULT_TIMEOUT_MS, type ClientOptions } from "./client.js";
import { VERSION } from "./version.js";

export { Code } from "@connectrpc/connect";
export type { CallOptions } from "@connectrpc/connect";
export { Client, Stream, type ClientOptions } from "./client.js";
export { QuickthornError, STREAM_CUT } from "./errors.js";
export { Fold, fold, text, toolCalls } from "./fold.js";
export { VERSION } from "./version.js";

/**
 * Returns a client of the proxy at `url`: `https://host`, with a port or path if need be, or `location.origin`.
 *
 * Throws a TypeError for anything that is no http:// or https:// address.
 */
export function connect(url: string, options: ClientOptions = {}): Client {
  if (!/^https?:\/\/[^/]/i.test(url)) {
    throw new TypeError(`url "${url}" is no web address; use "https://host", or location.origin`);
  }
  const transport = createGrpcWebTransport({
    baseUrl: url,
    defaultTimeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    fetch: reached,
  });
  return new Client(transport, { "x-user-agent": `quickthorn-typescript/${VERSION}` }, options);
}

/** What gets no answer at all is UNAVAILABLE: connect-es would say UNKNOWN. */
const reached: typeof fetch = async (input, init) => {
  try {
    return await fetch(input, init);
  } catch (reason) {
    throw new ConnectError(ConnectError.from(reason).rawMessage, Code.Unavailable, undefined, undefined, reason);
  }
};
