#include "connection.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <utility>

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

namespace quickthorn {
namespace {

constexpr int kMessageLimit = 32 * 1024 * 1024;

struct Address {
  std::string name;
  std::optional<Tls> tls;
};

Error Refused(const std::string& message) { return Error(grpc::StatusCode::INVALID_ARGUMENT, message); }

Address Addressed(const std::string& target, std::optional<Tls> tls) {
  static const std::regex web("(https?)://(.*?)/*", std::regex::icase);
  static const std::regex grpcs("(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds):.*");
  static const std::regex port(".*:[0-9]+");
  std::smatch found;
  if (std::regex_match(target, grpcs)) return {target, std::move(tls)};
  std::string name = target;
  if (std::regex_match(target, found, web)) {
    name = found[2];
    if (found[1].length() == 5) {
      tls = tls.value_or(Tls{});
    } else if (tls) {
      throw Refused("target \"" + target + "\" is clear text, and tls is asked for; use \"https://" + name + "\"");
    }
  } else if (const auto end = target.find("://"); end != std::string::npos) {
    throw Refused("target \"" + target + "\" is neither http:// nor https://, but " + target.substr(0, end) +
                  "://; use \"host:port\"");
  }
  if (!std::regex_match(name, port)) {
    throw Refused("target \"" + target + "\" has no port; use \"" + (name.empty() ? "127.0.0.1" : name) +
                  ":50051\" or wherever it listens");
  }
  return {name, std::move(tls)};
}

std::string Pem(const std::string& given) {
  if (given.empty() || given.find("-----BEGIN") != std::string::npos) return given;
  std::ifstream file(given, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  if (text.empty()) throw Refused("there is nothing to be read in the file \"" + given + "\"");
  return text;
}

std::shared_ptr<grpc::ChannelCredentials> Credentials(const std::optional<Tls>& tls) {
  if (!tls) return grpc::InsecureChannelCredentials();
  if (tls->cert.empty() != tls->key.empty()) throw Refused("a client certificate needs both cert and key");
  return grpc::SslCredentials({Pem(tls->ca), Pem(tls->key), Pem(tls->cert)});
}

grpc::ChannelArguments Arguments(const Address& address) {
  static const std::regex here("(dns:/*|ipv[46]:)?(localhost|127(\\.[0-9]+){3}|\\[::1\\])(:[0-9]+)?|unix.*");
  grpc::ChannelArguments arguments;
  arguments.SetUserAgentPrefix("quickthorn-cpp/" QUICKTHORN_VERSION);
  arguments.SetMaxReceiveMessageSize(kMessageLimit);
  arguments.SetMaxSendMessageSize(kMessageLimit);
  // A model may think for minutes: pings keep middleboxes from forgetting the connection and find a dead one.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The server retries, fails over and hedges; a second layer would multiply attempts and what they cost. So no retry
  // policy, and none from DNS. What gRPC does by itself stays: it resends what no server has seen.
  arguments.SetServiceConfigJSON(R"({"methodConfig":[{"name":[{"service":"quickthorn.v1.Routing"}]}]})");
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // gRPC's own longest wait before it connects again is two minutes.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  // gRPC would ask an HTTP proxy to connect to this machine.
  if (std::regex_match(address.name, here)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (address.tls && !address.tls->server_name.empty()) arguments.SetSslTargetNameOverride(address.tls->server_name);
  return arguments;
}

}  // namespace

bool Travels(const std::string& value) {
  return !value.empty() && std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::shared_ptr<grpc::Channel> Connected(const std::string& target, const Options& options) {
  if (!options.api_key.empty() && !Travels(options.api_key)) {
    // The key itself stays out of the message.
    throw Refused("api_key holds a space, line break or other character no header can carry");
  }
  const Address address = Addressed(target, options.tls);
  return grpc::CreateCustomChannel(address.name, Credentials(address.tls), Arguments(address));
}

}  // namespace quickthorn
