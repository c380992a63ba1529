package io.quickthorn;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;

/**
 * Sends a request's identifier as a header, too, so that even a refusal echoes it; puts what was
 * echoed with the call's end.
 */
final class RequestIds implements ClientInterceptor {
  static final Metadata.Key<String> HEADER =
      Metadata.Key.of("quickthorn-request-id", Metadata.ASCII_STRING_MARSHALLER);
  static final CallOptions.Key<String> OF_REQUEST =
      CallOptions.Key.createWithDefault("quickthorn-request-id", "");

  /** Whether a value can stand in a header. */
  static boolean travels(String value) {
    return !value.isEmpty()
        && value.chars().allMatch(character -> character > ' ' && character < 0x7f);
  }

  @Override
  public <Q, R> ClientCall<Q, R> interceptCall(
      MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
    return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
      @Override
      public void start(Listener<R> listener, Metadata headers) {
        var id = options.getOption(OF_REQUEST);
        if (travels(id)) {
          headers.put(HEADER, id);
        }
        super.start(new Listening<>(listener), headers);
      }
    };
  }

  private static final class Listening<R> extends SimpleForwardingClientCallListener<R> {
    private String echoed;

    Listening(ClientCall.Listener<R> listener) {
      super(listener);
    }

    @Override
    public void onHeaders(Metadata headers) {
      echoed = headers.get(HEADER);
      super.onHeaders(headers);
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      if (echoed != null) {
        trailers.put(HEADER, echoed);
      }
      super.onClose(status, trailers);
    }
  }
}
