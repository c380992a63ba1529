package io.quickthorn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.ByteString;
import io.quickthorn.v1.CacheHint;
import io.quickthorn.v1.Citation;
import io.quickthorn.v1.CompletionEvent;
import io.quickthorn.v1.Finished;
import io.quickthorn.v1.Media;
import io.quickthorn.v1.OpaqueState;
import io.quickthorn.v1.Part;
import io.quickthorn.v1.PartEvent;
import io.quickthorn.v1.TextDelta;
import io.quickthorn.v1.ToolCallDelta;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What of the fold's law no conformance case shows. */
class FoldTest {
  @Test
  void whatComesLateIsAddedToItsPart() {
    var folded =
        Fold.of(
            List.of(
                text(0, "rain "),
                part(0, Part.newBuilder().addCitations(citation("a")).setOpaque(opaque("old"))),
                text(0, "is wet"),
                part(
                    0,
                    Part.newBuilder()
                        .addCitations(citation("b"))
                        .setOpaque(opaque("new"))
                        .setCache(CacheHint.getDefaultInstance())),
                end()));

    var wanted =
        Part.newBuilder()
            .setText("rain is wet")
            .addCitations(citation("a"))
            .addCitations(citation("b"))
            .setOpaque(opaque("new"))
            .setCache(CacheHint.getDefaultInstance())
            .build();
    assertEquals(List.of(wanted), folded.getMessage().getPartsList());
  }

  @Test
  void aPartThatComesWholeReplacesWhatWasThereButItsCitations() {
    var picture =
        Media.newBuilder()
            .setData(ByteString.copyFromUtf8("png"))
            .setMediaType("image/png")
            .build();
    var folded =
        Fold.of(
            List.of(
                part(1, Part.newBuilder().setRefusal("no").addCitations(citation("a"))),
                part(0, Part.newBuilder().setImage(picture)),
                part(1, Part.newBuilder().setRefusal("never")),
                end()));

    var wanted =
        List.of(
            Part.newBuilder().setImage(picture).build(),
            Part.newBuilder().setRefusal("never").addCitations(citation("a")).build());
    assertEquals(wanted, folded.getMessage().getPartsList());
  }

  @Test
  void aSignedToolCallKeepsItsNameAndItsSignature() {
    var folded =
        Fold.of(
            List.of(
                call(ToolCallDelta.newBuilder().setId("c1").setName("weather")),
                call(ToolCallDelta.newBuilder().setArgumentsJson("{\"city\":")),
                part(0, Part.newBuilder().setOpaque(opaque("signed"))),
                call(ToolCallDelta.newBuilder().setArgumentsJson("\"Oslo\"}")),
                end()));

    var wanted = Part.newBuilder().setOpaque(opaque("signed"));
    wanted
        .getToolCallBuilder()
        .setId("c1")
        .setName("weather")
        .setArgumentsJson("{\"city\":\"Oslo\"}");
    assertEquals(List.of(wanted.build()), folded.getMessage().getPartsList());
  }

  @Test
  void eventsWithoutAnEndAreNoAnswer() {
    var cut = assertThrows(QuickthornException.class, () -> Fold.of(List.of(text(0, "half"))));

    assertEquals(QuickthornException.STREAM_CUT, cut.reason());
  }

  private static CompletionEvent text(int part, String text) {
    return CompletionEvent.newBuilder()
        .setText(TextDelta.newBuilder().setPart(part).setText(text))
        .build();
  }

  private static CompletionEvent part(int index, Part.Builder value) {
    return CompletionEvent.newBuilder()
        .setPart(PartEvent.newBuilder().setPart(index).setValue(value))
        .build();
  }

  private static CompletionEvent call(ToolCallDelta.Builder delta) {
    return CompletionEvent.newBuilder().setToolCall(delta).build();
  }

  private static CompletionEvent end() {
    return CompletionEvent.newBuilder().setFinished(Finished.getDefaultInstance()).build();
  }

  private static Citation citation(String uri) {
    return Citation.newBuilder().setUri(uri).build();
  }

  private static OpaqueState opaque(String data) {
    return OpaqueState.newBuilder().setProvider("p").setData(ByteString.copyFromUtf8(data)).build();
  }
}
