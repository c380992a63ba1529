package quickthorn

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	v1 "github.com/quickthorn/quickthorn/clients/go/v1"
)

// Text returns the text of an answer: its text parts joined, without reasoning, refusals or tool calls.
func Text(completion *v1.Completion) string {
	var text strings.Builder
	for _, part := range completion.GetMessage().GetParts() {
		text.WriteString(part.GetText())
	}
	return text.String()
}

// Fold returns the Completion that Complete would have returned for these events, or the first error among them, or an
// *Error with the reason StreamCut if they end without `finished`. The law stands in quickthorn/v1/events.proto.
func Fold(events iter.Seq2[*v1.CompletionEvent, error]) (*v1.Completion, error) {
	var started *v1.Started
	var end *v1.Finished
	parts := growingParts{}
	for event, err := range events {
		if err != nil {
			return nil, err
		}
		switch event := event.GetEvent().(type) {
		case *v1.CompletionEvent_Started:
			started = event.Started
		case *v1.CompletionEvent_Text:
			parts.at(event.Text.Part).grow(event.Text.Text, func(text string) *v1.Part {
				return &v1.Part{Kind: &v1.Part_Text{Text: text}}
			})
		case *v1.CompletionEvent_Reasoning:
			parts.at(event.Reasoning.Part).grow(event.Reasoning.Text, func(text string) *v1.Part {
				return &v1.Part{Kind: &v1.Part_Reasoning{Reasoning: text}}
			})
		case *v1.CompletionEvent_ToolCall:
			named := event.ToolCall // by the first delta
			parts.at(named.Part).grow(named.ArgumentsJson, func(arguments string) *v1.Part {
				call := &v1.ToolCall{Id: named.Id, Name: named.Name, ArgumentsJson: arguments}
				return &v1.Part{Kind: &v1.Part_ToolCall{ToolCall: call}}
			})
		case *v1.CompletionEvent_Part:
			put(parts.at(event.Part.Part).whole, event.Part.Value)
		case *v1.CompletionEvent_Finished:
			end = event.Finished
		}
	}
	if end == nil {
		return nil, streamCut()
	}
	return &v1.Completion{
		Id:           started.GetId(),
		RequestId:    started.GetRequestId(),
		Message:      &v1.Message{Role: v1.Role_ROLE_ASSISTANT, Parts: parts.inOrder()},
		FinishReason: end.FinishReason,
		StopSequence: end.StopSequence,
		Usage:        end.Usage,
		CostNanoUsd:  end.CostNanoUsd,
		Trace:        end.Trace,
	}, nil
}

// growing is a part of the answer: what came whole, and what deltas put on top of it, of the kind of the first.
type growing struct {
	whole    *v1.Part
	streamed strings.Builder
	made     func(streamed string) *v1.Part // nil = there was no delta
}

func (g *growing) grow(piece string, made func(string) *v1.Part) {
	g.streamed.WriteString(piece)
	if g.made == nil {
		g.made = made
	}
}

// put adds to whole what value says: citations accumulate, everything else is replaced whole.
func put(whole, value *v1.Part) {
	if value.GetKind() != nil {
		whole.Kind = nil
	}
	if value.GetCache() != nil {
		whole.Cache = nil
	}
	if value.GetOpaque() != nil {
		whole.Opaque = nil
	}
	proto.Merge(whole, value)
}

type growingParts map[uint32]*growing

func (g growingParts) at(index uint32) *growing {
	if g[index] == nil {
		g[index] = &growing{whole: &v1.Part{}}
	}
	return g[index]
}

func (g growingParts) inOrder() (parts []*v1.Part) {
	for _, index := range slices.Sorted(maps.Keys(g)) {
		part := g[index].whole
		if made := g[index].made; made != nil {
			part.Kind = made(g[index].streamed.String()).Kind
		}
		parts = append(parts, part)
	}
	return parts
}
