import io.quickthorn.QuickthornClient;
import io.quickthorn.v1.CompletionRequest;
import io.quickthorn.v1.Message;
import io.quickthorn.v1.Part;
import io.quickthorn.v1.Role;

/** Prints an answer as it is written, then says what it took. */
public class Stream {
  public static void main(String[] arguments) {
    var target = System.getenv().getOrDefault("QUICKTHORN_TARGET", "127.0.0.1:50051");
    var question =
        Message.newBuilder()
            .setRole(Role.ROLE_USER)
            .addParts(Part.newBuilder().setText("Tell me a story in three sentences."));
    var request = CompletionRequest.newBuilder().addMessages(question).build();
    // begin stream
    try (var client = QuickthornClient.connect(target);
        var stream = client.stream(request)) {
      for (var event : stream) {
        switch (event.getEventCase()) {
          case STARTED:
            System.out.printf("-- %s answers%n", event.getStarted().getBackend());
            break;
          case TEXT:
            System.out.print(event.getText().getText());
            break;
          default: // reasoning, tool calls, parts that come whole, and kinds that are still to be
            // invented
        }
      }
      var completion = stream.fold(); // what was shown, whole, and what only the end knows
      System.out.printf(
          "%n-- %d tokens, request %s%n",
          completion.getUsage().getOutputTokens(), completion.getRequestId());
    }
    // end stream
  }
}
