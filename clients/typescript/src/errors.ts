/** The one error of this package, and how the failure of a call becomes one. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";

import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
  type BadRequest_FieldViolation,
} from "./generated/google/rpc/error_details_pb.js";
import { RouteFailureSchema, type RouteFailure } from "./generated/quickthorn/v1/failure_pb.js";
import type { Attempt } from "./generated/quickthorn/v1/trace_pb.js";
import type { Usage } from "./generated/quickthorn/v1/usage_pb.js";

/** `google.rpc.ErrorInfo.domain` of everything that a Quickthorn server says. */
const DOMAIN = "quickthorn";

/** The one reason that this package gives itself: a stream ended without its `finished` event. */
export const STREAM_CUT = "STREAM_CUT";

interface Facts {
  reason?: string;
  fromServer?: boolean;
  info?: Readonly<Record<string, string>>;
  retryDelayMs?: number | undefined;
  fieldViolations?: readonly BadRequest_FieldViolation[];
  failure?: RouteFailure | undefined;
  requestId?: string;
  cause?: unknown;
}

/** A call failed. `message` says what happened, in words; do not parse it. */
export class QuickthornError extends Error {
  override readonly name = "QuickthornError";
  /** The gRPC status code. */
  readonly code: Code;
  /** The name of a `quickthorn.v1.Reason` without its prefix, `STREAM_CUT`, or "" where nobody gave a reason. */
  readonly reason: string;
  /**
   * True: a Quickthorn server said it, in its own details. False: it was inferred on this side (nobody there, deadline
   * passed here, stream cut), or a proxy said it.
   */
  readonly fromServer: boolean;
  /** Facts that belong to the reason, such as why each backend was dropped. */
  readonly info: Readonly<Record<string, string>>;
  /** How long to wait before asking again, in ms; undefined: waiting is not known to help. */
  readonly retryDelayMs: number | undefined;
  /** The fields of the request that are wrong. */
  readonly fieldViolations: readonly BadRequest_FieldViolation[];
  /** What the call had done before it failed; undefined: the server did not say. */
  readonly failure: RouteFailure | undefined;
  /** What operators search their logs for; "" = unknown. */
  readonly requestId: string;

  constructor(message: string, code: Code, facts: Facts = {}) {
    super(message, { cause: facts.cause });
    this.code = code;
    this.reason = facts.reason ?? "";
    this.fromServer = facts.fromServer ?? false;
    this.info = facts.info ?? {};
    this.retryDelayMs = facts.retryDelayMs;
    this.fieldViolations = facts.fieldViolations ?? [];
    this.failure = facts.failure;
    this.requestId = facts.requestId ?? "";
  }

  /** The lanes of the call, in the order of their start. */
  get attempts(): readonly Attempt[] {
    return this.failure?.attempts ?? [];
  }

  /** What the failed call consumed; undefined: nothing was sent, or the server did not say. */
  get usage(): Usage | undefined {
    return this.failure?.usage;
  }

  /** What the failed call cost, in nano-USD; undefined: unknown. */
  get costNanoUsd(): bigint | undefined {
    return this.failure?.costNanoUsd;
  }

  /** UTF-8 bytes of text that had been sent to this client before the failure. */
  get delivered(): bigint {
    return this.failure?.delivered ?? 0n;
  }
}

/** Returns the error of a call that ended for `reason`. `cancelled`: the caller had cancelled it by then. */
export function failed(reason: unknown, cancelled: boolean): QuickthornError {
  if (cancelled) {
    return new QuickthornError("the call was cancelled on this side", Code.Canceled, { cause: reason });
  }
  if (reason instanceof QuickthornError) {
    return reason;
  }
  const error = ConnectError.from(reason);
  const [info] = error.findDetails(ErrorInfoSchema);
  const [retry] = error.findDetails(RetryInfoSchema);
  const [failure] = error.findDetails(RouteFailureSchema);
  const ours = info?.domain === DOMAIN;
  const broke = !error.metadata.has("grpc-status") && connectionBroke(error);
  const said = error.rawMessage || "no details were given";
  return new QuickthornError(broke ? `the connection broke: ${said}` : said, broke ? Code.Unavailable : error.code, {
    reason: ours ? info.reason : "",
    fromServer: ours,
    info: ours ? info.metadata : {},
    retryDelayMs: retry?.retryDelay && durationMs(retry.retryDelay),
    fieldViolations: error.findDetails(BadRequestSchema).flatMap((request) => request.fieldViolations),
    failure,
    requestId: failure?.requestId ?? error.metadata.get("quickthorn-request-id") ?? "",
    cause: error,
  });
}

/** Returns the error of a stream that ended without `finished`. */
export function streamCut(): QuickthornError {
  const message = "the stream ended without `finished`: what came is not the whole answer";
  return new QuickthornError(message, Code.Unavailable, { reason: STREAM_CUT });
}

/**
 * Whether a connection broke, where nobody sent a status. In gRPC that is UNAVAILABLE, while connect-es tells by how it
 * broke: as ABORTED, INTERNAL, UNKNOWN, or CANCELED although nobody cancelled anything.
 */
function connectionBroke({ cause, code }: ConnectError): boolean {
  const ofNode = cause instanceof Error && "code" in cause && typeof cause.code === "string";
  const ofFetch = cause instanceof TypeError;
  return ofNode || ofFetch || code === Code.Canceled;
}
