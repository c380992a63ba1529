package io.quickthorn;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.MetadataUtils;
import io.quickthorn.v1.RoutingGrpc;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/** Says how to connect. What is left out has a default that is fit for long streams. */
public final class QuickthornClientBuilder {
  private static final Pattern TARGET =
      Pattern.compile("(?:(?<scheme>\\w+)://)?(?<address>.*?)/*", Pattern.DOTALL);
  private static final Pattern ADDRESS =
      Pattern.compile("([\\p{Alnum}.-]+|\\[[\\p{XDigit}:.]+]):(?<port>\\d{1,5})");
  private static final Pattern LOOPBACK =
      Pattern.compile("(localhost|127(\\.\\d+){3}|\\[::1]):\\d+");
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
  // The server retries, fails over and hedges; a second layer would multiply attempts and what they
  // cost. So there is no policy, and none is taken from DNS.
  private static final Map<String, ?> NO_RETRIES =
      Map.of(
          "methodConfig",
          List.of(Map.of("name", List.of(Map.of("service", RoutingGrpc.SERVICE_NAME)))));

  private final String scheme;
  private final String address;
  private final Metadata metadata = new Metadata();
  private ChannelCredentials credentials;
  private String serverName;
  private Duration timeout = Duration.ofMinutes(10);
  private Consumer<ManagedChannelBuilder<?>> more = channel -> {};

  QuickthornClientBuilder(String target) {
    var found = TARGET.matcher(target);
    found.matches();
    scheme = found.group("scheme") == null ? "" : found.group("scheme").toLowerCase(Locale.ROOT);
    address = found.group("address");
    if (!List.of("", "http", "https").contains(scheme)) {
      throw wrong(
          target, "is neither http:// nor https://, but " + scheme + "://; use \"host:port\"");
    }
    var parts = ADDRESS.matcher(address);
    if (!parts.matches() || Integer.parseInt(parts.group("port")) > 65535) {
      var host = address.isEmpty() ? "127.0.0.1" : address;
      throw host.matches("[\\w.-]+")
          ? wrong(target, "has no port; use \"" + host + ":50051\" or wherever it listens")
          : wrong(target, "is no address; use \"host:port\"");
    }
    credentials =
        scheme.equals("https")
            ? TlsChannelCredentials.create()
            : InsecureChannelCredentials.create();
  }

  /** Sends this as {@code authorization: Bearer}. Without TLS it travels in clear text. */
  public QuickthornClientBuilder apiKey(String key) {
    if (!RequestIds.travels(key)) { // the key itself stays out of the message
      throw new IllegalArgumentException(
          "the key is empty or holds a space, line break or other character no header can carry");
    }
    metadata.discardAll(AUTHORIZATION);
    metadata.put(AUTHORIZATION, "Bearer " + key);
    return this;
  }

  /**
   * Speaks TLS: whom to trust and who we are, as {@link TlsChannelCredentials#newBuilder} takes it.
   * Without this, https:// trusts whom Java trusts.
   */
  public QuickthornClientBuilder tls(ChannelCredentials credentials) {
    if (scheme.equals("http")) {
      throw wrong(
          "http://" + address,
          "is clear text, and TLS is asked for; use \"https://" + address + "\"");
    }
    this.credentials = credentials;
    return this;
  }

  /** Expects this name in the server's certificate, instead of the target's. */
  public QuickthornClientBuilder serverName(String name) {
    serverName = name;
    return this;
  }

  /** The deadline of calls, 10 minutes unless it is set. */
  public QuickthornClientBuilder timeout(Duration timeout) {
    this.timeout = timeout;
    return this;
  }

  /** Changes the gRPC channel itself, last of all: interceptors, executors, proxies, keepalive. */
  public QuickthornClientBuilder channel(Consumer<ManagedChannelBuilder<?>> more) {
    this.more = this.more.andThen(more);
    return this;
  }

  /** Returns the client. It connects with its first call. */
  public QuickthornClient build() {
    var name = "dns:///" + address.replace("[", "%5B").replace("]", "%5D");
    var channel =
        Grpc.newChannelBuilder(name, credentials)
            .userAgent("quickthorn-java/" + QuickthornClient.VERSION)
            .maxInboundMessageSize(MessageLimit.BYTES)
            // A model may think for minutes: pings keep middleboxes from forgetting the connection
            // and find a dead one.
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(10, TimeUnit.SECONDS)
            .keepAliveWithoutCalls(true)
            // No policy, so nothing is retried; what no server has seen, gRPC sends again by itself.
            .defaultServiceConfig(NO_RETRIES)
            .disableServiceConfigLookUp()
            .intercept(
                MetadataUtils.newAttachHeadersInterceptor(metadata),
                new RequestIds(),
                new MessageLimit());
    if (LOOPBACK.matcher(address).matches()) {
      channel.proxyDetector(server -> null); // a proxy would connect to its own machine
    }
    if (serverName != null) {
      channel.overrideAuthority(serverName);
    }
    more.accept(channel);
    return new QuickthornClient(channel.build(), timeout);
  }

  private static IllegalArgumentException wrong(String target, String why) {
    return new IllegalArgumentException("target \"" + target + "\" " + why);
  }
}
