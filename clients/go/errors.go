package quickthorn

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	v1 "github.com/quickthorn/quickthorn/clients/go/v1"
)

const (
	// Domain is the ErrorInfo.domain of everything that a Quickthorn server says.
	Domain = "quickthorn"
	// StreamCut is the one reason that this package gives itself: a stream ended without its `finished` event.
	StreamCut = "STREAM_CUT"
)

// Error is why a call failed, with everything that is known about it. Find it with errors.As; errors.Is also finds
// context.Canceled and context.DeadlineExceeded where the caller's context ended the call.
type Error struct {
	Code codes.Code
	// Reason is the name of a quickthornv1.Reason without its prefix, StreamCut, or "" where nobody gave one.
	Reason string
	// Message says what happened, in words; do not parse it.
	Message string
	// FromServer: true = a Quickthorn server said it, in its own details. False = it was inferred on this side of the
	// wire (not connected, deadline passed here, stream cut), or said by a proxy or by gRPC itself.
	FromServer bool
	// Info holds facts of the reason, such as why each backend was dropped.
	Info map[string]string
	// RetryDelay is how long to wait before asking again; 0 = waiting is not known to help.
	RetryDelay time.Duration
	// FieldViolations names the fields of the request that are wrong.
	FieldViolations []*errdetails.BadRequest_FieldViolation
	// Failure says what the call had done before it failed: attempts, usage, cost, bytes delivered. Nil = the server did
	// not say; its getters work all the same.
	Failure *v1.RouteFailure
	// RequestID is what operators search their logs for; "" = unknown.
	RequestID string

	cause error
}

func (e *Error) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("%s: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("%s %s: %s", e.Code, e.Reason, e.Message)
}

// Unwrap returns what is beneath: the context's error where the context ended the call.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus lets status.Code and status.FromError see the code.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Message) }

// ofCall returns the error of a call made in ctx that ended with err and had got header. Only details with our domain
// count as the server's word; details that are garbled, or somebody else's, are left out.
func ofCall(ctx context.Context, err error, header metadata.MD) *Error {
	said := status.Convert(err)
	failed := &Error{Code: said.Code(), Message: said.Message()}
	if failed.Code == codes.Canceled || failed.Code == codes.DeadlineExceeded {
		failed.cause = context.Cause(ctx)
	}
	if failed.Message == "" {
		failed.Message = "no details were given"
	}
	if ids := header.Get(requestIDKey); len(ids) > 0 {
		failed.RequestID = ids[0]
	}
	for _, detail := range said.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.Domain == Domain {
				failed.FromServer, failed.Reason, failed.Info = true, detail.Reason, detail.Metadata
			}
		case *errdetails.RetryInfo:
			failed.RetryDelay = detail.RetryDelay.AsDuration()
		case *errdetails.BadRequest:
			failed.FieldViolations = detail.FieldViolations
		case *v1.RouteFailure:
			failed.Failure, failed.RequestID = detail, detail.RequestId
		}
	}
	return failed
}

func invalid(err error) *Error {
	return &Error{Code: codes.InvalidArgument, Message: err.Error(), cause: err}
}

func streamCut() *Error {
	message := "the stream ended without `finished`: what came is not the whole answer"
	return &Error{Code: codes.Unavailable, Reason: StreamCut, Message: message}
}
