package io.quickthorn;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import io.quickthorn.v1.Completion;
import io.quickthorn.v1.CompletionEvent;
import io.quickthorn.v1.CompletionRequest;
import io.quickthorn.v1.EmbedRequest;
import io.quickthorn.v1.EmbedResponse;
import io.quickthorn.v1.Explanation;
import io.quickthorn.v1.ListRoutesRequest;
import io.quickthorn.v1.ListRoutesResponse;
import io.quickthorn.v1.Part;
import io.quickthorn.v1.RecordFeedbackRequest;
import io.quickthorn.v1.RecordFeedbackResponse;
import io.quickthorn.v1.RoutingGrpc;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * Calls Quickthorn. Safe to share between threads; it makes one connection for all its calls.
 *
 * <p>Every call that fails throws {@link QuickthornException}, or completes its future with it. A
 * call is cancelled by closing its stream, cancelling its future, interrupting the thread that
 * waits, or by the {@link io.grpc.Context} that it was made in.
 */
public final class QuickthornClient implements AutoCloseable {
  public static final String VERSION = "0.1.0";

  private final ManagedChannel connection;
  private final Channel channel;
  private final Duration timeout;

  QuickthornClient(ManagedChannel connection, Duration timeout) {
    this(connection, connection, timeout);
  }

  private QuickthornClient(ManagedChannel connection, Channel channel, Duration timeout) {
    this.connection = connection;
    this.channel = channel;
    this.timeout = timeout;
  }

  /**
   * Returns a client of the server at {@code target}, as {@link #builder} has it when nothing else
   * is said.
   */
  public static QuickthornClient connect(String target) {
    return builder(target).build();
  }

  /**
   * Begins a client of the server at {@code target}: host:port, http://host:port (the same) or
   * https://host:port (TLS).
   *
   * @throws IllegalArgumentException if it is something else
   */
  public static QuickthornClientBuilder builder(String target) {
    return new QuickthornClientBuilder(target);
  }

  /**
   * Returns the text of an answer: its text parts joined, without reasoning, refusals or tool
   * calls.
   */
  public static String text(Completion completion) {
    return completion.getMessage().getPartsList().stream()
        .map(Part::getText)
        .collect(Collectors.joining());
  }

  /** Returns this client, on the same connection, with another deadline for its calls. */
  public QuickthornClient withTimeout(Duration timeout) {
    return new QuickthornClient(connection, channel, timeout);
  }

  /** Returns this client, on the same connection, with more headers on its calls. */
  public QuickthornClient withMetadata(Metadata more) {
    var intercepted =
        ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(more));
    return new QuickthornClient(connection, intercepted, timeout);
  }

  /**
   * What generated stubs run on, for all that is not here. The key goes with their calls, the
   * deadline does not.
   */
  public Channel channel() {
    return channel;
  }

  /** Answers whole. */
  public Completion complete(CompletionRequest request) {
    return whole(RoutingGrpc.getCompleteMethod(), request, request.getRequestId());
  }

  /**
   * Answers piece by piece. Use it in a {@code try}: closing the stream cancels what is not
   * finished.
   */
  public CompletionStream stream(CompletionRequest request) {
    return new CompletionStream(
        channel.newCall(RoutingGrpc.getStreamCompleteMethod(), options(request.getRequestId())),
        request);
  }

  /** Turns inputs into vectors. */
  public EmbedResponse embed(EmbedRequest request) {
    return whole(RoutingGrpc.getEmbedMethod(), request, request.getRequestId());
  }

  /** Says what would happen to a request, without sending anything to a provider. */
  public Explanation explain(CompletionRequest request) {
    return whole(RoutingGrpc.getExplainMethod(), request, request.getRequestId());
  }

  /** Lists the routes that the caller may use. */
  public ListRoutesResponse listRoutes() {
    return whole(RoutingGrpc.getListRoutesMethod(), ListRoutesRequest.getDefaultInstance(), "");
  }

  /** Records how good an answer was. */
  public RecordFeedbackResponse recordFeedback(RecordFeedbackRequest request) {
    return whole(RoutingGrpc.getRecordFeedbackMethod(), request, "");
  }

  /** As {@link #complete}, without waiting. Cancelling the future cancels the call. */
  public CompletableFuture<Completion> completeAsync(CompletionRequest request) {
    return future(RoutingGrpc.getCompleteMethod(), request, request.getRequestId());
  }

  /** As {@link #embed}, without waiting. Cancelling the future cancels the call. */
  public CompletableFuture<EmbedResponse> embedAsync(EmbedRequest request) {
    return future(RoutingGrpc.getEmbedMethod(), request, request.getRequestId());
  }

  /**
   * Shows {@code observer} the events as they come, one at a time, without waiting; returns the
   * answer that they fold to. Cancelling the future cancels the call. The observer's {@code
   * onError} gets what the future fails with: a QuickthornException.
   */
  public CompletableFuture<Completion> stream(
      CompletionRequest request, StreamObserver<CompletionEvent> observer) {
    var call =
        channel.newCall(RoutingGrpc.getStreamCompleteMethod(), options(request.getRequestId()));
    var observed = new Observed(observer);
    ClientCalls.asyncServerStreamingCall(call, request, observed);
    return cancelling(call, observed.answer);
  }

  /**
   * Cancels what runs and closes the connection, which is that of all clients made from this one.
   */
  @Override
  public void close() {
    connection.shutdownNow();
  }

  private CallOptions options(String requestId) {
    return CallOptions.DEFAULT
        .withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS)
        .withOption(RequestIds.OF_REQUEST, requestId);
  }

  private <Q, R> R whole(MethodDescriptor<Q, R> method, Q request, String requestId) {
    try {
      return ClientCalls.blockingUnaryCall(channel, method, options(requestId), request);
    } catch (StatusRuntimeException failed) {
      throw QuickthornException.of(failed);
    }
  }

  private <Q, R> CompletableFuture<R> future(
      MethodDescriptor<Q, R> method, Q request, String requestId) {
    var future = new CompletableFuture<R>();
    var call = channel.newCall(method, options(requestId));
    ClientCalls.asyncUnaryCall(
        call,
        request,
        new StreamObserver<R>() {
          private R answer;

          @Override
          public void onNext(R answer) {
            this.answer = answer;
          }

          @Override
          public void onError(Throwable failed) {
            future.completeExceptionally(QuickthornException.of(failed));
          }

          @Override
          public void onCompleted() {
            future.complete(answer);
          }
        });
    return cancelling(call, future);
  }

  /**
   * Not before all is sent: a call that failed meanwhile may be cancelled then, and not sent to.
   */
  private static <R> CompletableFuture<R> cancelling(
      ClientCall<?, ?> call, CompletableFuture<R> future) {
    future.whenComplete((answer, error) -> call.cancel("cancelled on this side", null));
    return future;
  }

  private static final class Observed implements StreamObserver<CompletionEvent> {
    private final StreamObserver<CompletionEvent> observer;
    private final Fold fold = new Fold();
    private final CompletableFuture<Completion> answer = new CompletableFuture<>();

    Observed(StreamObserver<CompletionEvent> observer) {
      this.observer = observer;
    }

    @Override
    public void onNext(CompletionEvent event) {
      fold.add(event);
      observer.onNext(event);
    }

    @Override
    public void onError(Throwable failed) {
      if (fold.finished()) {
        onCompleted(); // the answer is whole, only its trailers are missing
        return;
      }
      var error = QuickthornException.of(failed);
      answer.completeExceptionally(error);
      observer.onError(error);
    }

    @Override
    public void onCompleted() {
      if (fold.finished()) {
        answer.complete(fold.completion());
        observer.onCompleted();
      } else {
        onError(QuickthornException.streamCut());
      }
    }
  }
}
