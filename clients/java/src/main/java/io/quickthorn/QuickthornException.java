package io.quickthorn;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.quickthorn.v1.Attempt;
import io.quickthorn.v1.RouteFailure;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A call failed. Everything that can be known about it can be asked for; {@link #getMessage} says
 * what happened, in words.
 */
public final class QuickthornException extends RuntimeException {
  /**
   * The one reason that this library gives itself: a stream ended without its {@code finished}
   * event.
   */
  public static final String STREAM_CUT = "STREAM_CUT";

  private static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);
  private static final String DOMAIN =
      "quickthorn"; // ErrorInfo.domain of everything that a Quickthorn server says
  private static final long LONGEST =
      315_576_000_000L; // seconds that a google.protobuf.Duration may have
  private static final long serialVersionUID = 1;

  private final Status.Code code;
  private final ErrorInfo info;
  private final RetryInfo retry;
  private final BadRequest request;
  private final RouteFailure failure;
  private final String requestId;

  private QuickthornException(Status status, Metadata trailers, Throwable cause) {
    super(words(status), cause);
    var details = details(trailers);
    var said = detail(details, ErrorInfo.class, ErrorInfo.getDefaultInstance());
    code = status.getCode();
    info = said.getDomain().equals(DOMAIN) ? said : ErrorInfo.getDefaultInstance();
    retry = detail(details, RetryInfo.class, RetryInfo.getDefaultInstance());
    request = detail(details, BadRequest.class, BadRequest.getDefaultInstance());
    failure = detail(details, RouteFailure.class, null);
    var echoed = trailers.get(RequestIds.HEADER);
    requestId = failure != null ? failure.getRequestId() : echoed != null ? echoed : "";
  }

  private QuickthornException(String message, String reason) {
    super(message);
    code = Status.Code.UNAVAILABLE;
    info = ErrorInfo.newBuilder().setReason(reason).build();
    retry = RetryInfo.getDefaultInstance();
    request = BadRequest.getDefaultInstance();
    failure = null;
    requestId = "";
  }

  /** Returns what an exception of a generated stub means. */
  public static QuickthornException of(Throwable thrown) {
    if (thrown instanceof QuickthornException) {
      return (QuickthornException) thrown;
    }
    var status = Status.fromThrowable(thrown);
    if (status.getCode() == Status.Code.CANCELLED
        && status.getCause() instanceof StatusRuntimeException) {
      // what could not be sent is cancelled, and that is why
      status = Status.fromThrowable(status.getCause());
    }
    var trailers = Status.trailersFromThrowable(thrown);
    return new QuickthornException(status, trailers == null ? new Metadata() : trailers, thrown);
  }

  static QuickthornException streamCut() {
    return new QuickthornException(
        "the stream ended without `finished`: what came is not the whole answer", STREAM_CUT);
  }

  /** The gRPC status code. */
  public Status.Code code() {
    return code;
  }

  /**
   * The name of a {@code quickthorn.v1.Reason} without its prefix, which says what to do;
   * STREAM_CUT; or empty.
   */
  public String reason() {
    return info.getReason();
  }

  /**
   * Whether a Quickthorn server said it, in its own details. Otherwise this side inferred it
   * (nobody there, deadline passed here, stream cut), or a proxy or gRPC itself said it.
   */
  public boolean fromServer() {
    return info.getDomain().equals(DOMAIN);
  }

  /** Facts that belong to the reason, such as why each backend was dropped. */
  public Map<String, String> info() {
    return info.getMetadataMap();
  }

  /** How long to wait before asking again. Empty: waiting is not known to help. */
  public Optional<Duration> retryDelay() {
    var delay = retry.getRetryDelay();
    return retry.hasRetryDelay() && Math.abs(delay.getSeconds()) <= LONGEST
        ? Optional.of(Duration.ofSeconds(delay.getSeconds(), delay.getNanos()))
        : Optional.empty();
  }

  /** The fields of the request that are wrong. */
  public List<BadRequest.FieldViolation> fieldViolations() {
    return request.getFieldViolationsList();
  }

  /**
   * What the call had done before it failed: lanes, usage, cost, delivered bytes. Empty: the server
   * did not say.
   */
  public Optional<RouteFailure> failure() {
    return Optional.ofNullable(failure);
  }

  /**
   * The lanes of the call, in the order of their start; none if none was started or the server did
   * not say.
   */
  public List<Attempt> attempts() {
    return failure == null ? List.of() : failure.getAttemptsList();
  }

  /** What operators search their logs for. Empty: unknown. */
  public String requestId() {
    return requestId;
  }

  @Override
  public String toString() {
    return getClass().getName()
        + ": "
        + code
        + (reason().isEmpty() ? "" : " " + reason())
        + ": "
        + getMessage();
  }

  /**
   * What happened on this side of the wire has causes, whose words say more than "io exception".
   */
  private static String words(Status status) {
    var said = status.getDescription() == null ? "no details were given" : status.getDescription();
    if (said.equals("Network closed for unknown reason")) {
      return "the connection was closed at once: one side may speak TLS and the other clear text,"
          + " or a client certificate is wanted";
    }
    if (status.getCause() != null) {
      said = said.lines().findFirst().orElse(""); // what follows is the inside of a connection
    }
    for (var cause = status.getCause(); cause != null; cause = cause.getCause()) {
      if (cause.getMessage() != null && !said.contains(cause.getMessage())) {
        said += ": " + cause.getMessage();
      }
    }
    return said;
  }

  /** A proxy may write anything: what cannot be read is as if it were not there. */
  private static List<Any> details(Metadata trailers) {
    try {
      var written = trailers.get(DETAILS);
      return written == null
          ? List.of()
          : com.google.rpc.Status.parseFrom(written).getDetailsList();
    } catch (InvalidProtocolBufferException garbled) {
      return List.of();
    }
  }

  private static <M extends Message> M detail(List<Any> details, Class<M> kind, M otherwise) {
    for (Any detail : details) {
      try {
        if (detail.is(kind)) {
          return detail.unpack(kind);
        }
      } catch (InvalidProtocolBufferException garbled) {
        return otherwise;
      }
    }
    return otherwise;
  }
}
