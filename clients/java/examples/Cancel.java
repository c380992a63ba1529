import io.quickthorn.QuickthornClient;
import io.quickthorn.v1.CompletionRequest;
import io.quickthorn.v1.Message;
import io.quickthorn.v1.Part;
import io.quickthorn.v1.Role;

/** Stops answers early. The server closes its connection to the provider each time. */
public class Cancel {
  public static void main(String[] arguments) {
    var target = System.getenv().getOrDefault("QUICKTHORN_TARGET", "127.0.0.1:50051");
    var question =
        Message.newBuilder()
            .setRole(Role.ROLE_USER)
            .addParts(Part.newBuilder().setText("Count to one thousand."));
    var request = CompletionRequest.newBuilder().addMessages(question).build();
    try (var client = QuickthornClient.connect(target)) {
      // begin cancel
      try (var stream = client.stream(request)) {
        for (var event : stream) {
          System.out.print(event.getText().getText());
          if (event.hasText()) {
            break; // and leaving the try cancels
          }
        }
      }
      System.out.println(" -- that was enough");

      var answer = client.completeAsync(request);
      answer.cancel(true);
      System.out.println("-- cancelled: " + answer.isCancelled());
      // end cancel
    }
  }
}
