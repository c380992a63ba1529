import com.google.gson.Gson;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.StreamObserver;
import io.quickthorn.QuickthornClient;
import io.quickthorn.QuickthornException;
import io.quickthorn.v1.CompletionEvent;
import io.quickthorn.v1.CompletionRequest;
import io.quickthorn.v1.EmbedRequest;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * The Java client's program for the conformance cases: see tests/conformance/README.md. It waits on
 * its thread, as most programs do, or with the argument "async" on nothing.
 */
public final class Program {
  private static final Gson JSON = new Gson();
  private static final ScheduledExecutorService TIMER =
      Executors.newSingleThreadScheduledExecutor(
          work -> {
            var thread = new Thread(work);
            thread.setDaemon(true);
            return thread;
          });

  private final boolean async;
  private final Case given;
  private final Map<String, Object> result = new LinkedHashMap<>();

  private Program(boolean async, Case given) {
    this.async = async;
    this.given = given;
    result.put("id", given.id);
  }

  /** Answers case after case until the input ends. */
  public static void main(String[] arguments) throws Exception {
    var async = List.of(arguments).contains("async");
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (var line = lines.readLine(); line != null; line = lines.readLine()) {
      System.out.println(
          JSON.toJson(new Program(async, JSON.fromJson(line, Case.class)).answered()));
    }
  }

  private Map<String, Object> answered() throws Exception {
    if (given.call.equals("decode")) {
      var kind =
          Class.forName("io.quickthorn.v1." + given.type.substring("quickthorn.v1.".length()));
      result.put(
          "response",
          text(
              (Message) kind.getMethod("parseFrom", byte[].class).invoke(null, bytes(given.data))));
      return result;
    }
    var began = System.nanoTime();
    try (var client = client()) {
      run(client);
    } catch (QuickthornException error) {
      result.put("error", told(error));
    } catch (IllegalArgumentException refused) {
      var error = error("INVALID_ARGUMENT", refused.getMessage());
      error.putAll(
          Map.of(
              "reason",
              "",
              "from_server",
              false,
              "attempts",
              0,
              "fields",
              List.of(),
              "request_id",
              ""));
      result.put("error", error);
    }
    result.put("elapsed_ms", (System.nanoTime() - began) / 1e6);
    return result;
  }

  private QuickthornClient client() throws IOException {
    var builder = QuickthornClient.builder(given.target);
    if (given.api_key != null) {
      builder.apiKey(given.api_key);
    }
    if (given.timeout_ms != null) {
      builder.timeout(Duration.ofMillis(given.timeout_ms));
    }
    if (given.tls != null) {
      var tls = TlsChannelCredentials.newBuilder().trustManager(new File(given.tls.get("ca")));
      if (given.tls.containsKey("cert")) {
        tls.keyManager(new File(given.tls.get("cert")), new File(given.tls.get("key")));
      }
      builder.tls(tls.build());
    }
    return builder.build();
  }

  private void run(QuickthornClient plain) throws Exception {
    var more = new Metadata();
    given.metadata.forEach(
        (key, value) -> more.put(Metadata.Key.of(key, Metadata.ASCII_STRING_MARSHALLER), value));
    var client = plain.withMetadata(more);
    switch (given.call) {
      case "complete":
        var request = CompletionRequest.parseFrom(bytes(given.request));
        whole(
            async || given.cancel_after_ms != null
                ? waited(client.completeAsync(request))
                : client.complete(request));
        break;
      case "stream":
        if (async) {
          observe(client);
        } else {
          iterate(client);
        }
        break;
      case "embed":
        var inputs = EmbedRequest.parseFrom(bytes(given.request));
        whole(async ? waited(client.embedAsync(inputs)) : client.embed(inputs));
        break;
      case "explain":
        whole(client.explain(CompletionRequest.parseFrom(bytes(given.request))));
        break;
      case "list_routes":
        whole(client.listRoutes());
        break;
      default:
        throw new IllegalStateException("no such call: " + given.call);
    }
  }

  private void whole(Message answer) {
    if (answer == null) {
      result.put("cancelled", true);
    } else {
      result.put("response", text(answer));
    }
  }

  /** Waits for a future, which is cancelled in time if that is asked for; null = it was. */
  private <M> M waited(CompletableFuture<M> future) {
    if (given.cancel_after_ms != null) {
      TIMER.schedule(() -> future.cancel(true), given.cancel_after_ms, TimeUnit.MILLISECONDS);
    }
    try {
      return future.join();
    } catch (CancellationException cancelled) {
      return null;
    } catch (CompletionException failed) {
      throw (QuickthornException) failed.getCause();
    }
  }

  /** Reads one stream, as slowly and as far as asked. */
  private void iterate(QuickthornClient client) throws Exception {
    var events = new ArrayList<String>();
    result.put("events", events);
    try (var stream = client.stream(CompletionRequest.parseFrom(bytes(given.request)))) {
      if (given.cancel_after_ms != null) {
        TIMER.schedule(
            () -> {
              result.put("cancelled", true);
              stream.close();
            },
            given.cancel_after_ms,
            TimeUnit.MILLISECONDS);
      }
      if (done(events)) {
        return;
      }
      for (var event : stream) {
        events.add(text(event));
        if (done(events)) {
          return;
        }
        Thread.sleep(given.pause_ms);
      }
      result.put("folded", text(stream.fold()));
    } catch (QuickthornException error) {
      if (!result.containsKey("cancelled")) {
        throw error;
      }
    }
  }

  private boolean done(List<String> events) {
    var done = given.cancel_after_events != null && events.size() == given.cancel_after_events;
    if (done) {
      result.put("cancelled", true);
    }
    return done;
  }

  /** As {@link #iterate}, with an observer. */
  private void observe(QuickthornClient client) throws Exception {
    var events = new ArrayList<String>();
    var enough = new CompletableFuture<Void>();
    result.put("events", events);
    var answer =
        client.stream(
            CompletionRequest.parseFrom(bytes(given.request)),
            new StreamObserver<CompletionEvent>() {
              @Override
              public void onNext(CompletionEvent event) {
                if (enough.isDone()) {
                  return;
                }
                events.add(text(event));
                if (given.cancel_after_events != null
                    && events.size() == given.cancel_after_events) {
                  enough.complete(null);
                }
                pause();
              }

              @Override
              public void onError(Throwable error) {
                enough.complete(null);
              }

              @Override
              public void onCompleted() {
                enough.complete(null);
              }
            });
    if (given.cancel_after_events != null) {
      if (given.cancel_after_events > 0) {
        enough.join();
      }
      answer.cancel(true);
    }
    var folded = waited(answer);
    if (folded == null) {
      result.put("cancelled", true);
    } else {
      result.put("folded", text(folded));
    }
  }

  private void pause() {
    try {
      Thread.sleep(given.pause_ms);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private static Map<String, Object> told(QuickthornException error) {
    var said = error(error.code().name(), error.getMessage());
    said.put("reason", error.reason());
    said.put("from_server", error.fromServer());
    said.put("attempts", error.attempts().size());
    said.put(
        "fields",
        error.fieldViolations().stream()
            .map(BadRequest.FieldViolation::getField)
            .collect(Collectors.toList()));
    said.put("request_id", error.requestId());
    error.retryDelay().ifPresent(delay -> said.put("retry_delay_ms", delay.toMillis()));
    return said;
  }

  private static Map<String, Object> error(String code, String message) {
    var said = new LinkedHashMap<String, Object>();
    said.put("code", code);
    said.put("message", message);
    return said;
  }

  private static byte[] bytes(String text) {
    return Base64.getDecoder().decode(text);
  }

  private static String text(Message message) {
    return Base64.getEncoder().encodeToString(message.toByteArray());
  }

  /** A line of the input; what is null is absent. */
  private static final class Case {
    String id;
    String call;
    String target;
    Map<String, String> tls;
    String api_key;
    String request;
    Long timeout_ms;
    Map<String, String> metadata = Map.of();
    Integer cancel_after_events;
    Long cancel_after_ms;
    long pause_ms;
    String type;
    String data;
  }
}
