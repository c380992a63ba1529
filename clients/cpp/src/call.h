// What calls share: their context, and who may cancel them.
#pragma once

#include <optional>
#include <string>

#include <grpcpp/client_context.h>

#include "quickthorn/client.h"

namespace quickthorn {

/// Lets a cancellation reach a call for as long as this lives.
class Watched {
 public:
  Watched(const std::optional<Cancellation>& cancellation, grpc::ClientContext& context);
  ~Watched();
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

 private:
  std::shared_ptr<Cancellation::State> state_;
  grpc::ClientContext& context_;
};

/// Puts the deadline and the headers of a call into its context. Throws Error for headers that cannot travel.
void Prepare(grpc::ClientContext& context, const Options& client, const CallOptions& call,
             const std::string& request_id);

}  // namespace quickthorn
