// The errors that calls end with.
#pragma once

#include <grpcpp/client_context.h>

#include "quickthorn/error.h"

namespace quickthorn {

/// The error of a call that ended with another status than OK. The context is that of the call, which has ended.
Error Failed(const grpc::Status& status, const grpc::ClientContext& context);

/// The error of a stream that ended without `finished`.
Error Cut();

}  // namespace quickthorn
