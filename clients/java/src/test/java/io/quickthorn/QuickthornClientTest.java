package io.quickthorn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.quickthorn.v1.Completion;
import io.quickthorn.v1.CompletionEvent;
import io.quickthorn.v1.CompletionRequest;
import io.quickthorn.v1.Finished;
import io.quickthorn.v1.RoutingGrpc;
import io.quickthorn.v1.TextDelta;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the conformance program does not do: observers, and refusals before anything is sent. */
@Timeout(10)
class QuickthornClientTest {
  private final CompletableFuture<Void> arrived = new CompletableFuture<>();
  private final CompletableFuture<Void> cancelled = new CompletableFuture<>();
  private Server server;
  private QuickthornClient client;

  @BeforeEach
  void serve() throws Exception {
    var routing = ServerInterceptors.intercept(new Routing(), new Echo());
    server = InProcessServerBuilder.forName("routing").addService(routing).build().start();
    var channel =
        InProcessChannelBuilder.forName("routing")
            .intercept(new RequestIds(), new MessageLimit())
            .build();
    client = new QuickthornClient(channel, java.time.Duration.ofSeconds(10));
  }

  @AfterEach
  void end() {
    client.close();
    server.shutdownNow();
  }

  @Test
  void anObserverSeesEveryEventAndTheFutureFoldsThem() throws Exception {
    var observer = new Seen();

    var answer = client.stream(asked("two"), observer).get();

    assertEquals("one two", QuickthornClient.text(answer));
    observer.ended.get();
    assertEquals(3, observer.events.size());
  }

  @Test
  void aStreamThatIsCutFailsItsObserverAndItsFutureAlike() {
    var observer = new Seen();

    var failed =
        assertThrows(ExecutionException.class, () -> client.stream(asked("cut"), observer).get());

    assertEquals(
        QuickthornException.STREAM_CUT, ((QuickthornException) failed.getCause()).reason());
    assertSame(
        failed.getCause(), assertThrows(ExecutionException.class, observer.ended::get).getCause());
  }

  @Test
  void closingAStreamReachesTheServer() throws Exception {
    try (var stream = client.stream(asked("endless"))) {
      stream.next();
    }

    cancelled.get(5, TimeUnit.SECONDS);
  }

  @Test
  void cancellingTheFutureOfAnObserverReachesTheServer() throws Exception {
    var observer = new Seen();
    var answer = client.stream(asked("endless"), observer);
    observer.first.get();

    answer.cancel(true);

    cancelled.get(5, TimeUnit.SECONDS);
    assertThrows(ExecutionException.class, observer.ended::get);
  }

  @Test
  void anObserverThatThrowsEndsItsCall() throws Exception {
    var observer =
        new Seen() {
          @Override
          public void onNext(CompletionEvent event) {
            throw new IllegalStateException("the screen is full");
          }
        };

    var failed =
        assertThrows(
            ExecutionException.class, () -> client.stream(asked("endless"), observer).get());

    assertTrue(failed.getCause().getMessage().contains("the screen is full"));
    cancelled.get(5, TimeUnit.SECONDS);
  }

  @Test
  void interruptingTheThreadThatWaitsReachesTheServer() throws Exception {
    var waiting =
        new Thread(
            () -> assertThrows(QuickthornException.class, () -> client.complete(asked("endless"))));
    waiting.start();
    arrived.get();

    waiting.interrupt();

    cancelled.get(5, TimeUnit.SECONDS);
    waiting.join();
  }

  @Test
  void aRefusalKnowsTheRequestThatItRefused() {
    var request = asked("absurd").toBuilder().setRequestId("mine").build();

    var failed = assertThrows(QuickthornException.class, () -> client.complete(request));

    assertEquals("mine", failed.requestId());
  }

  @Test
  void aClientWithAnotherTimeoutWaitsNoLonger() {
    var hasty = client.withTimeout(java.time.Duration.ofMillis(50));

    var failed = assertThrows(QuickthornException.class, () -> hasty.complete(asked("endless")));

    assertEquals(Status.Code.DEADLINE_EXCEEDED, failed.code());
    assertFalse(failed.fromServer());
  }

  @Test
  void aRequestThatIsTooLargeIsRefusedInEveryWayToCall() {
    var request = asked("x".repeat(MessageLimit.BYTES));
    var observer = new Seen();

    var waited = assertThrows(QuickthornException.class, () -> client.complete(request));
    var iterated = assertThrows(QuickthornException.class, () -> client.stream(request).fold());
    var later = assertThrows(ExecutionException.class, client.completeAsync(request)::get);
    var observed = assertThrows(ExecutionException.class, client.stream(request, observer)::get);

    var errors = List.of(waited, iterated, later.getCause(), observed.getCause());
    for (var error : errors) {
      assertEquals(Status.Code.RESOURCE_EXHAUSTED, QuickthornException.of(error).code());
    }
  }

  @Test
  void aWaitThatNoDurationHoldsIsNone() {
    var failed = assertThrows(QuickthornException.class, () -> client.complete(asked("absurd")));

    assertEquals("RATE_LIMITED", failed.reason());
    assertTrue(failed.fromServer());
    assertTrue(failed.retryDelay().isEmpty());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "two words", "line\nbreak", "sécret"})
  void aKeyThatNoHeaderCarriesIsRefusedUnseen(String key) {
    var builder = QuickthornClient.builder("127.0.0.1:1");

    var refused = assertThrows(IllegalArgumentException.class, () -> builder.apiKey(key));

    assertFalse(!key.isEmpty() && refused.getMessage().contains(key));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "localhost",
        "http://localhost",
        "host:port",
        "https://host:1/path",
        "grpc+tls://a:1",
        "dns:///a:1",
        "a:1\nb",
        "a:99999",
        "a_b:1"
      })
  void aTargetThatIsNoneIsRefused(String target) {
    var refused =
        assertThrows(
            IllegalArgumentException.class, () -> QuickthornClient.connect(target).close());

    assertTrue(refused.getMessage().startsWith("target \"" + target + "\" "), refused.getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"a:1", "a-b.c-d:65535", "[::1]:1", "HTTP://a:1", "https://[::1]:1/"})
  void aTargetIsAnAddressWithOrWithoutScheme(String target) {
    QuickthornClient.connect(target).close();
  }

  @Test
  void clearTextAndTlsExcludeEachOther() {
    var builder = QuickthornClient.builder("http://localhost:1");

    var refused =
        assertThrows(
            IllegalArgumentException.class, () -> builder.tls(InsecureChannelCredentials.create()));

    assertTrue(refused.getMessage().contains("use \"https://localhost:1\""));
  }

  private static CompletionRequest asked(String route) {
    return CompletionRequest.newBuilder().setRoute(route).build();
  }

  private static class Seen implements StreamObserver<CompletionEvent> {
    final List<CompletionEvent> events = new ArrayList<>();
    final CompletableFuture<Void> first = new CompletableFuture<>();
    final CompletableFuture<Void> ended = new CompletableFuture<>();

    @Override
    public void onNext(CompletionEvent event) {
      events.add(event);
      first.complete(null);
    }

    @Override
    public void onError(Throwable error) {
      ended.completeExceptionally(error);
    }

    @Override
    public void onCompleted() {
      ended.complete(null);
    }
  }

  /** Says the request's identifier before anything else, as the server does. */
  private static final class Echo implements ServerInterceptor {
    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
      var echoed = new Metadata();
      if (headers.containsKey(RequestIds.HEADER)) {
        echoed.put(RequestIds.HEADER, headers.get(RequestIds.HEADER));
        call.sendHeaders(echoed);
      }
      return next.startCall(call, headers);
    }
  }

  /** Does what the name of the route says. */
  private final class Routing extends RoutingGrpc.RoutingImplBase {
    @Override
    public void complete(CompletionRequest request, StreamObserver<Completion> answer) {
      if (request.getRoute().equals("absurd")) {
        answer.onError(Status.RESOURCE_EXHAUSTED.asRuntimeException(absurd()));
      } else {
        ((ServerCallStreamObserver<?>) answer).setOnCancelHandler(() -> cancelled.complete(null));
        arrived.complete(null);
      }
    }

    @Override
    public void streamComplete(CompletionRequest request, StreamObserver<CompletionEvent> answer) {
      ((ServerCallStreamObserver<?>) answer).setOnCancelHandler(() -> cancelled.complete(null));
      answer.onNext(text("one "));
      if (request.getRoute().equals("endless")) {
        return;
      }
      answer.onNext(text("two"));
      if (!request.getRoute().equals("cut")) {
        answer.onNext(
            CompletionEvent.newBuilder().setFinished(Finished.getDefaultInstance()).build());
      }
      answer.onCompleted();
    }

    private CompletionEvent text(String text) {
      return CompletionEvent.newBuilder().setText(TextDelta.newBuilder().setText(text)).build();
    }

    private Metadata absurd() {
      var info = ErrorInfo.newBuilder().setDomain("quickthorn").setReason("RATE_LIMITED").build();
      var wait =
          RetryInfo.newBuilder()
              .setRetryDelay(
                  Duration.newBuilder().setSeconds(Long.MAX_VALUE).setNanos(2_000_000_000))
              .build();
      var said =
          com.google.rpc.Status.newBuilder()
              .addDetails(Any.pack(info))
              .addDetails(Any.pack(wait))
              .build();
      var trailers = new Metadata();
      trailers.put(
          Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER),
          said.toByteArray());
      return trailers;
    }
  }
}
