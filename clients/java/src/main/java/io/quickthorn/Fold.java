package io.quickthorn;

import io.quickthorn.v1.Completion;
import io.quickthorn.v1.CompletionEvent;
import io.quickthorn.v1.Finished;
import io.quickthorn.v1.Message;
import io.quickthorn.v1.Part;
import io.quickthorn.v1.Role;
import io.quickthorn.v1.Started;
import io.quickthorn.v1.ToolCallDelta;
import java.util.Map;
import java.util.TreeMap;

/**
 * Folds the events of a stream into the answer, one by one, so that they can be shown while they
 * are folded.
 *
 * <p>The law stands in {@code quickthorn/v1/events.proto}: deltas append to the part they name, a
 * part that comes whole is kept, what comes late for a part is added to it, and the rest changes
 * nothing.
 */
public final class Fold {
  private final Map<Integer, Streamed> parts = new TreeMap<>(Integer::compareUnsigned);
  private Started started = Started.getDefaultInstance();
  private Finished finished;

  /**
   * Returns the Completion that {@code Complete} would have returned.
   *
   * @throws QuickthornException with the reason STREAM_CUT if the events end without {@code
   *     finished}
   */
  public static Completion of(Iterable<CompletionEvent> events) {
    var fold = new Fold();
    events.forEach(fold::add);
    return fold.completion();
  }

  /** Takes in the next event. One of an unknown kind changes nothing. */
  public void add(CompletionEvent event) {
    switch (event.getEventCase()) {
      case STARTED:
        started = event.getStarted();
        break;
      case TEXT:
        part(event.getText().getPart()).append(Part.KindCase.TEXT, event.getText().getText());
        break;
      case REASONING:
        part(event.getReasoning().getPart())
            .append(Part.KindCase.REASONING, event.getReasoning().getText());
        break;
      case TOOL_CALL:
        ToolCallDelta delta = event.getToolCall();
        Streamed call = part(delta.getPart());
        if (call.kind != Part.KindCase.TOOL_CALL) {
          call.whole.getToolCallBuilder().setId(delta.getId()).setName(delta.getName());
        }
        call.append(Part.KindCase.TOOL_CALL, delta.getArgumentsJson());
        break;
      case PART:
        part(event.getPart().getPart()).merge(event.getPart().getValue());
        break;
      case FINISHED:
        finished = event.getFinished();
        break;
      default:
    }
  }

  /** Whether {@code finished} has come, so that there is a whole answer. */
  public boolean finished() {
    return finished != null;
  }

  /** Returns the answer so far. */
  public Message message() {
    var message = Message.newBuilder().setRole(Role.ROLE_ASSISTANT);
    parts.values().forEach(part -> message.addParts(part.built()));
    return message.build();
  }

  /**
   * Returns the whole answer.
   *
   * @throws QuickthornException with the reason STREAM_CUT before {@code finished} has come
   */
  public Completion completion() {
    if (finished == null) {
      throw QuickthornException.streamCut();
    }
    var completion =
        Completion.newBuilder()
            .setId(started.getId())
            .setRequestId(started.getRequestId())
            .setMessage(message())
            .setFinishReasonValue(finished.getFinishReasonValue())
            .setStopSequence(finished.getStopSequence());
    if (finished.hasUsage()) {
      completion.setUsage(finished.getUsage());
    }
    if (finished.hasCostNanoUsd()) {
      completion.setCostNanoUsd(finished.getCostNanoUsd());
    }
    if (finished.hasTrace()) {
      completion.setTrace(finished.getTrace());
    }
    return completion.build();
  }

  private Streamed part(int index) {
    return parts.computeIfAbsent(index, unseen -> new Streamed());
  }

  /** A part on its way: what came whole, and what is streamed, of which kind it is. */
  private static final class Streamed {
    private final Part.Builder whole = Part.newBuilder();
    private final StringBuilder pieces = new StringBuilder();
    private Part.KindCase kind = Part.KindCase.KIND_NOT_SET;

    void append(Part.KindCase of, String piece) {
      kind = of;
      pieces.append(piece);
    }

    /** Citations accumulate, everything else is replaced whole. */
    void merge(Part late) {
      if (late.getKindCase() != Part.KindCase.KIND_NOT_SET) {
        whole.clearKind();
      }
      if (late.hasCache()) {
        whole.clearCache();
      }
      if (late.hasOpaque()) {
        whole.clearOpaque();
      }
      whole.mergeFrom(late);
    }

    Part built() {
      var part = whole.clone();
      switch (kind) {
        case TEXT:
          return part.setText(pieces.toString()).build();
        case REASONING:
          return part.setReasoning(pieces.toString()).build();
        case TOOL_CALL:
          part.getToolCallBuilder().setArgumentsJson(pieces.toString());
          return part.build();
        default:
          return part.build();
      }
    }
  }
}
