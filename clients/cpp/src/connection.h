// Where a client connects and with what.
#pragma once

#include <memory>
#include <string>

#include <grpcpp/channel.h>

#include "quickthorn/client.h"

namespace quickthorn {

/// A channel as the client's options say, not yet connected. Throws Error with INVALID_ARGUMENT for what cannot work.
std::shared_ptr<grpc::Channel> Connected(const std::string& target, const Options& options);

/// Whether a text can stand in a header.
bool Travels(const std::string& value);

}  // namespace quickthorn
