// Stop listening, and with it the provider.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include <quickthorn/client.h>

int main() {
  const char* target = std::getenv("QUICKTHORN_TARGET");
  quickthorn::Client client(target != nullptr ? target : "127.0.0.1:50051");

  quickthorn::v1::CompletionRequest request;
  auto* message = request.add_messages();
  message->set_role(quickthorn::v1::ROLE_USER);
  message->add_parts()->set_text("Why is rain wet?");
  // begin cancel
  {
    auto stream = client.Stream(request);
    while (const auto event = stream.Next()) {
      if (event->text().text().empty()) continue;
      std::cout << event->text().text() << " -- that was enough\n";
      break;
    }
  }  // the stream is destroyed, and the call cancelled

  quickthorn::CallOptions options;
  options.cancellation = quickthorn::Cancellation();
  std::thread button([cancellation = *options.cancellation] { cancellation.Cancel(); });
  try {
    client.Complete(request, options);
  } catch (const quickthorn::Error& error) {
    std::cout << quickthorn::Name(error.code) << ": " << error.message << '\n';
  }
  button.join();
  // end cancel
}
