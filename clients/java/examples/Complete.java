import io.quickthorn.QuickthornClient;
import io.quickthorn.v1.CompletionRequest;
import io.quickthorn.v1.Message;
import io.quickthorn.v1.Part;
import io.quickthorn.v1.Role;

/** Asks once and prints the answer. */
public class Complete {
  public static void main(String[] arguments) {
    var target = System.getenv().getOrDefault("QUICKTHORN_TARGET", "127.0.0.1:50051");
    var question =
        Message.newBuilder()
            .setRole(Role.ROLE_USER)
            .addParts(Part.newBuilder().setText("Why is rain wet?"));
    var request = CompletionRequest.newBuilder().addMessages(question);
    request.getSamplingBuilder().setMaxOutputTokens(60);
    try (var client = QuickthornClient.connect(target)) {
      var completion = client.complete(request.build());
      System.out.println(QuickthornClient.text(completion));
      var trace = completion.getTrace();
      var served =
          trace.hasServedBy() ? trace.getAttempts(trace.getServedBy()).getBackend() : "nobody";
      System.out.printf(
          "-- served by %s, %d tokens%n", served, completion.getUsage().getOutputTokens());
    }
  }
}
