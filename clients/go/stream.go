package quickthorn

import (
	"context"
	"io"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	v1 "github.com/quickthorn/quickthorn/clients/go/v1"
)

// Stream is an answer as it comes: range over it. Every step is an event or, last, the *Error that ended it early.
//
// The first range makes the call, and leaving its loop cancels what is not finished: the server closes its connections
// to providers. A Stream is one call: ranging over it again gives the same events again and asks for nothing anew. It
// needs no closing, and one that is never ranged over costs nothing. One goroutine at a time may use it.
type Stream iter.Seq2[*v1.CompletionEvent, error]

// Stream answers piece by piece.
func (c *Client) Stream(ctx context.Context, request *v1.CompletionRequest, options ...grpc.CallOption) Stream {
	return (&reading{client: c, ctx: ctx, request: request, options: options}).each
}

// Fold reads what is left and returns the whole answer, with what had been read before.
func (s Stream) Fold() (*v1.Completion, error) { return Fold(iter.Seq2[*v1.CompletionEvent, error](s)) }

type reading struct {
	client  *Client
	ctx     context.Context
	request *v1.CompletionRequest
	options []grpc.CallOption
	events  []*v1.CompletionEvent
	ended   error // why there are no more events: io.EOF = the answer is whole; nil = the call was not made yet
}

func (r *reading) each(yield func(*v1.CompletionEvent, error) bool) {
	for _, event := range r.events {
		if !yield(event, nil) {
			return
		}
	}
	if r.ended == nil && !r.read(yield) {
		return
	}
	if r.ended != io.EOF {
		yield(nil, r.ended)
	}
}

// read makes the call and yields its events; it returns whether the loop went on to the end.
func (r *reading) read(yield func(*v1.CompletionEvent, error) bool) bool {
	ctx, cancel := r.client.calling(r.ctx, r.request.GetRequestId())
	defer cancel()
	r.ended = &Error{Code: codes.Canceled, Message: "the loop over this stream was left"}
	call, err := r.client.routing.StreamComplete(ctx, r.request, r.options...)
	if err != nil {
		r.ended = ofCall(ctx, err, nil)
		return true
	}
	for finished := false; ; {
		event, err := call.Recv()
		switch {
		case err == nil:
		case finished: // the answer is whole, at most its trailers are missing
			return true
		case err == io.EOF:
			r.ended = streamCut()
			return true
		default:
			header, _ := call.Header()
			r.ended = ofCall(ctx, err, header)
			return true
		}
		if event.GetFinished() != nil {
			finished, r.ended = true, io.EOF
		}
		r.events = append(r.events, event)
		if !yield(event, nil) {
			return false
		}
	}
}
