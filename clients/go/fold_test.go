package quickthorn

import (
	"errors"
	"iter"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	v1 "github.com/quickthorn/quickthorn/clients/go/v1"
)

func events(all ...*v1.CompletionEvent) iter.Seq2[*v1.CompletionEvent, error] {
	return func(yield func(*v1.CompletionEvent, error) bool) {
		for _, event := range all {
			if !yield(event, nil) {
				return
			}
		}
	}
}

func text(part uint32, words string) *v1.CompletionEvent {
	return &v1.CompletionEvent{Event: &v1.CompletionEvent_Text{Text: &v1.TextDelta{Part: part, Text: words}}}
}

func reasoning(part uint32, words string) *v1.CompletionEvent {
	return &v1.CompletionEvent{
		Event: &v1.CompletionEvent_Reasoning{Reasoning: &v1.ReasoningDelta{Part: part, Text: words}},
	}
}

func call(part uint32, id, arguments string) *v1.CompletionEvent {
	delta := &v1.ToolCallDelta{Part: part, Id: id, Name: id, ArgumentsJson: arguments}
	return &v1.CompletionEvent{Event: &v1.CompletionEvent_ToolCall{ToolCall: delta}}
}

func whole(part uint32, value *v1.Part) *v1.CompletionEvent {
	return &v1.CompletionEvent{Event: &v1.CompletionEvent_Part{Part: &v1.PartEvent{Part: part, Value: value}}}
}

func finished() *v1.CompletionEvent {
	return &v1.CompletionEvent{Event: &v1.CompletionEvent_Finished{Finished: &v1.Finished{}}}
}

func cites(uri string) *v1.Part { return &v1.Part{Citations: []*v1.Citation{{Uri: uri}}} }

func signed(state *v1.OpaqueState) *v1.Part { return &v1.Part{Opaque: state} }

func picture(media *v1.Media) *v1.Part { return &v1.Part{Kind: &v1.Part_Image{Image: media}} }

func unknown(number protowire.Number) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), []byte("new"))
}

// The fold law of events.proto, where the conformance cases do not reach.
func TestFold(t *testing.T) {
	ofNewKind, newKind := &v1.Part{}, &v1.CompletionEvent{}
	ofNewKind.ProtoReflect().SetUnknown(unknown(99))
	newKind.ProtoReflect().SetUnknown(unknown(99))
	refusal := &v1.Part{Kind: &v1.Part_Refusal{Refusal: "no"}}
	for name, test := range map[string]struct {
		events []*v1.CompletionEvent
		want   []*v1.Part
	}{
		"citations accumulate": {
			[]*v1.CompletionEvent{text(0, "a"), whole(0, cites("x")), text(0, "b"), whole(0, cites("y"))},
			[]*v1.Part{{Kind: &v1.Part_Text{Text: "ab"}, Citations: []*v1.Citation{{Uri: "x"}, {Uri: "y"}}}},
		},
		"opaque state is replaced whole": {
			[]*v1.CompletionEvent{
				call(0, "f", "{}"),
				whole(0, signed(&v1.OpaqueState{ItemId: "one"})),
				whole(0, signed(&v1.OpaqueState{Data: []byte("two")})),
			},
			[]*v1.Part{{
				Kind:   &v1.Part_ToolCall{ToolCall: &v1.ToolCall{Id: "f", Name: "f", ArgumentsJson: "{}"}},
				Opaque: &v1.OpaqueState{Data: []byte("two")},
			}},
		},
		"a part that comes again is the later one": {
			[]*v1.CompletionEvent{
				whole(0, picture(&v1.Media{MediaType: "image/png"})), whole(0, picture(&v1.Media{})),
			},
			[]*v1.Part{picture(&v1.Media{})},
		},
		"a tool call is named once": {
			[]*v1.CompletionEvent{call(0, "f", "{"), call(0, "", "}"), call(0, "g", "")},
			[]*v1.Part{{Kind: &v1.Part_ToolCall{ToolCall: &v1.ToolCall{Id: "f", Name: "f", ArgumentsJson: "{}"}}}},
		},
		"indices make the order": {
			[]*v1.CompletionEvent{text(2, "c"), whole(1, refusal), reasoning(0, "a")},
			[]*v1.Part{
				{Kind: &v1.Part_Reasoning{Reasoning: "a"}}, refusal, {Kind: &v1.Part_Text{Text: "c"}},
			},
		},
		"an empty delta makes a part":      {[]*v1.CompletionEvent{text(0, "")}, []*v1.Part{{Kind: &v1.Part_Text{}}}},
		"a part of an unknown kind stays":  {[]*v1.CompletionEvent{whole(0, ofNewKind)}, []*v1.Part{ofNewKind}},
		"an event of a new kind is no one": {[]*v1.CompletionEvent{newKind}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			want := &v1.Completion{Message: &v1.Message{Role: v1.Role_ROLE_ASSISTANT, Parts: test.want}}
			for range 2 { // the second time shows that the events were left alone
				got, err := Fold(events(append(test.events, finished())...))
				if err != nil || !proto.Equal(got, want) {
					t.Errorf("got %v, %v instead of %v", got, err, want)
				}
			}
		})
	}
}

func TestACutStreamIsNoAnswer(t *testing.T) {
	var failed *Error
	if _, err := Fold(events(text(0, "half"))); !errors.As(err, &failed) || failed.Reason != StreamCut {
		t.Errorf("got %v", err)
	}
}
