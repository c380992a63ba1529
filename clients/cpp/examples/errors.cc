// See what an error says.
#include <cstdlib>
#include <iostream>

#include <quickthorn/client.h>

int main() {
  const char* target = std::getenv("QUICKTHORN_TARGET");
  quickthorn::Client client(target != nullptr ? target : "127.0.0.1:50051");

  const quickthorn::v1::CompletionRequest request;  // of which no answer can be made
  // begin errors
  try {
    std::cout << quickthorn::Text(client.Complete(request)) << '\n';
  } catch (const quickthorn::Error& error) {
    std::cout << error.what() << (error.from_server ? " (said by the server)\n" : " (inferred here)\n");
    for (const auto& violation : error.field_violations) {
      std::cout << "  " << violation.field << ": " << violation.description << '\n';
    }
    if (error.failure) {
      for (const auto& attempt : error.failure->attempts()) {
        std::cout << "  " << attempt.backend() << ": " << attempt.failure() << '\n';
      }
    }
    if (error.retry_delay) std::cout << "  asking again may help in " << error.retry_delay->count() << " ms\n";
  }
  // end errors
}
