// Ask once and print the answer.
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
  std::cout << quickthorn::Text(client.Complete(request)) << '\n';
}
