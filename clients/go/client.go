// Package quickthorn calls Quickthorn, the LLM routing service spoken over gRPC.
//
// It sends the messages of the contract (package quickthornv1) and returns them as they are generated. Around them it
// puts what a client of a model needs: a target with TLS, a key, a deadline, a connection fit for long streams, the
// fold from events to an answer, and one typed error.
package quickthorn

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	v1 "github.com/quickthorn/quickthorn/clients/go/v1"
)

const (
	// Version is that of this module, and of the server it was released with.
	Version = "0.1.0"
	// DefaultTimeout bounds calls whose context has no deadline: long enough for a long answer.
	DefaultTimeout = 600 * time.Second
)

const requestIDKey = "quickthorn-request-id"

// Client calls one target over one connection. It is safe for use by several goroutines at once.
//
// Every method returns an *Error when the call fails. A context without a deadline gets the client's own; ending the
// context cancels the call up to the provider.
type Client struct {
	conn    *grpc.ClientConn
	routing v1.RoutingClient
	apiKey  string
	timeout time.Duration
}

// Dial returns a client of target: "host:port" or "http://host:port" (clear text), "https://host:port" (TLS), or a
// name in one of gRPC's own schemes, such as "unix:/path". It connects with the first call. The error is an *Error
// with the code InvalidArgument that says what to write instead.
func Dial(target string, options ...Option) (*Client, error) {
	chosen := settings{timeout: DefaultTimeout}
	for _, option := range options {
		option(&chosen)
	}
	address, dialing, err := chosen.dialing(target)
	if err != nil {
		return nil, invalid(err)
	}
	conn, err := grpc.NewClient(address, dialing...)
	if err != nil {
		return nil, invalid(err)
	}
	return &Client{conn, v1.NewRoutingClient(conn), chosen.apiKey, chosen.timeout}, nil
}

// Close ends the connection and with it every call that is not finished.
func (c *Client) Close() error { return c.conn.Close() }

// Complete returns one whole answer.
func (c *Client) Complete(
	ctx context.Context, request *v1.CompletionRequest, options ...grpc.CallOption,
) (*v1.Completion, error) {
	return unary(ctx, c, c.routing.Complete, request, request.GetRequestId(), options)
}

// Explain says what would happen to a request, and why, without doing it.
func (c *Client) Explain(
	ctx context.Context, request *v1.CompletionRequest, options ...grpc.CallOption,
) (*v1.Explanation, error) {
	return unary(ctx, c, c.routing.Explain, request, request.GetRequestId(), options)
}

// Embed turns inputs into vectors, in their order.
func (c *Client) Embed(
	ctx context.Context, request *v1.EmbedRequest, options ...grpc.CallOption,
) (*v1.EmbedResponse, error) {
	return unary(ctx, c, c.routing.Embed, request, request.GetRequestId(), options)
}

// ListRoutes lists the routes that the caller may use.
func (c *Client) ListRoutes(ctx context.Context, options ...grpc.CallOption) (*v1.ListRoutesResponse, error) {
	return unary(ctx, c, c.routing.ListRoutes, &v1.ListRoutesRequest{}, "", options)
}

func unary[Request, Answer any](
	ctx context.Context,
	client *Client,
	method func(context.Context, *Request, ...grpc.CallOption) (*Answer, error),
	request *Request,
	requestID string,
	options []grpc.CallOption,
) (*Answer, error) {
	ctx, cancel := client.calling(ctx, requestID)
	defer cancel()
	var header metadata.MD
	answer, err := method(ctx, request, append([]grpc.CallOption{grpc.Header(&header)}, options...)...)
	if err != nil {
		return nil, ofCall(ctx, err, header)
	}
	return answer, nil
}

// calling returns the context of one call: key, request identifier (so that even a refusal echoes it), deadline.
func (c *Client) calling(ctx context.Context, requestID string) (context.Context, context.CancelFunc) {
	if c.apiKey != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.apiKey)
	}
	if travels(requestID) {
		ctx = metadata.AppendToOutgoingContext(ctx, requestIDKey, requestID)
	}
	if _, bounded := ctx.Deadline(); bounded || c.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.timeout)
}
