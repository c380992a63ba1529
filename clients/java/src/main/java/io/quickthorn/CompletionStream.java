package io.quickthorn;

import io.grpc.ClientCall;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.quickthorn.v1.Completion;
import io.quickthorn.v1.CompletionEvent;
import io.quickthorn.v1.CompletionRequest;
import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * The events of one answer, as they come, each read once. Closing it cancels what is not finished:
 * the server closes its connections to providers.
 *
 * <p>Iterating throws QuickthornException when the call fails, and also when the stream ends
 * without {@code finished} (reason STREAM_CUT). One thread reads; any other may close.
 */
public final class CompletionStream
    implements Iterable<CompletionEvent>, Iterator<CompletionEvent>, AutoCloseable {
  private final ClientCall<CompletionRequest, CompletionEvent> call;
  private final Iterator<CompletionEvent> events;
  private final Fold fold = new Fold();

  CompletionStream(ClientCall<CompletionRequest, CompletionEvent> call, CompletionRequest request) {
    this.call = call;
    this.events = ClientCalls.blockingServerStreamingCall(call, request);
  }

  @Override
  public Iterator<CompletionEvent> iterator() {
    return this;
  }

  /** Waits for the next event, or for the end. */
  @Override
  public boolean hasNext() {
    try {
      if (events.hasNext()) {
        return true;
      }
    } catch (StatusRuntimeException failed) {
      if (!fold.finished()) {
        throw QuickthornException.of(failed);
      }
    }
    fold.completion();
    return false; // the answer is whole, though its trailers may be missing
  }

  @Override
  public CompletionEvent next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    var event = events.next();
    fold.add(event);
    return event;
  }

  /**
   * Reads what is left and returns the whole answer, with what had been read before. Throws as
   * iterating does.
   */
  public Completion fold() {
    while (hasNext()) {
      next();
    }
    return fold.completion();
  }

  /** Cancels what is not finished. Calling it again changes nothing. */
  @Override
  public void close() {
    call.cancel("the stream was closed on this side", null);
  }
}
