import io.grpc.stub.StreamObserver;
import io.quickthorn.QuickthornClient;
import io.quickthorn.v1.CompletionEvent;
import io.quickthorn.v1.CompletionRequest;
import io.quickthorn.v1.Message;
import io.quickthorn.v1.Part;
import io.quickthorn.v1.Role;

/** Prints an answer as it is written, on gRPC's own threads. */
public class Observe {
  public static void main(String[] arguments) {
    var target = System.getenv().getOrDefault("QUICKTHORN_TARGET", "127.0.0.1:50051");
    var question =
        Message.newBuilder()
            .setRole(Role.ROLE_USER)
            .addParts(Part.newBuilder().setText("Why is rain wet?"));
    var request = CompletionRequest.newBuilder().addMessages(question).build();
    // begin observe
    var screen =
        new StreamObserver<CompletionEvent>() {
          @Override
          public void onNext(CompletionEvent event) {
            System.out.print(event.getText().getText());
          }

          @Override
          public void onError(Throwable error) {
            System.out.printf("%n-- %s%n", error.getMessage());
          }

          @Override
          public void onCompleted() {
            System.out.println();
          }
        };
    try (var client = QuickthornClient.connect(target)) {
      var answer = client.stream(request, screen); // a future; cancelling it cancels the call
      System.out.printf("-- %d tokens%n", answer.join().getUsage().getOutputTokens());
    }
    // end observe
  }
}
