import io.quickthorn.QuickthornClient;
import io.quickthorn.QuickthornException;
import io.quickthorn.v1.CompletionRequest;
import io.quickthorn.v1.Message;
import io.quickthorn.v1.Part;
import io.quickthorn.v1.Role;
import java.time.Duration;

/** Asks a route that is not there, and prints what the error knows. */
public class Errors {
  public static void main(String[] arguments) {
    var target = System.getenv().getOrDefault("QUICKTHORN_TARGET", "127.0.0.1:50051");
    var question =
        Message.newBuilder()
            .setRole(Role.ROLE_USER)
            .addParts(Part.newBuilder().setText("Are you there?"));
    var request = CompletionRequest.newBuilder().setRoute("nowhere").addMessages(question).build();
    // begin errors
    try (var client = QuickthornClient.builder(target).timeout(Duration.ofSeconds(30)).build()) {
      client.complete(request);
    } catch (QuickthornException error) {
      System.out.printf(
          "%s %s: %s (from the server: %s)%n",
          error.code(), error.reason(), error.getMessage(), error.fromServer());
      error
          .attempts()
          .forEach(
              attempt ->
                  System.out.printf("  %s: %s%n", attempt.getBackend(), attempt.getFailure()));
      error
          .fieldViolations()
          .forEach(
              wrong -> System.out.printf("  %s: %s%n", wrong.getField(), wrong.getDescription()));
      error.retryDelay().ifPresent(delay -> System.out.printf("  ask again after %s%n", delay));
    }
    // end errors
  }
}
