package io.quickthorn;

import com.google.protobuf.MessageLite;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.MethodDescriptor;
import io.grpc.Status;

/**
 * Refuses requests that are too large. gRPC's own {@code withMaxOutboundMessageSize} leaves a call
 * that waits for its connection hanging until its deadline.
 */
final class MessageLimit implements ClientInterceptor {
  static final int BYTES = 32 * 1024 * 1024;

  @Override
  public <Q, R> ClientCall<Q, R> interceptCall(
      MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
    return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
      private boolean refused;

      @Override
      public void sendMessage(Q message) {
        var size = ((MessageLite) message).getSerializedSize();
        if (size <= BYTES) {
          super.sendMessage(message);
          return;
        }
        refused = true;
        var why = "a request may have " + BYTES + " bytes, this one has " + size;
        cancel(why, Status.RESOURCE_EXHAUSTED.withDescription(why).asRuntimeException());
      }

      @Override
      public void halfClose() {
        if (!refused) {
          super.halfClose();
        }
      }
    };
  }
}
