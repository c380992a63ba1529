// Show an answer as it is written.
#include <cstdlib>
#include <iostream>

#include <quickthorn/client.h>

int main() {
  const char* target = std::getenv("QUICKTHORN_TARGET");
  quickthorn::Client client(target != nullptr ? target : "127.0.0.1:50051");

  quickthorn::v1::CompletionRequest request;
  auto* message = request.add_messages();
  message->set_role(quickthorn::v1::ROLE_USER);
  message->add_parts()->set_text("Why is rain wet?");
  // begin stream
  auto stream = client.Stream(request);
  while (const auto event = stream.Next()) {
    std::cout << event->text().text() << std::flush;
  }
  const auto completion = stream.Fold();  // what was shown, whole, and what only the end knows
  std::cout << "\n-- " << completion.usage().output_tokens() << " tokens, request " << completion.request_id() << '\n';
  // end stream
}
