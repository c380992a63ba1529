package quickthorn

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	v1 "github.com/quickthorn/quickthorn/clients/go/v1"
)

// double answers as a test says, and remembers what it was asked with.
type double struct {
	v1.UnimplementedRoutingServer
	streams func(stream grpc.ServerStreamingServer[v1.CompletionEvent]) error
	whole   func(ctx context.Context) error
	calls   int
}

func (d *double) Complete(ctx context.Context, _ *v1.CompletionRequest) (*v1.Completion, error) {
	return &v1.Completion{}, d.whole(ctx)
}

func (d *double) StreamComplete(_ *v1.CompletionRequest, s grpc.ServerStreamingServer[v1.CompletionEvent]) error {
	d.calls++
	return d.streams(s)
}

func dialed(t *testing.T, server *double, options ...Option) *Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := grpc.NewServer()
	v1.RegisterRoutingServer(served, server)
	go served.Serve(listener)
	t.Cleanup(served.Stop)
	client, err := Dial(listener.Addr().String(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func TestAStreamIsOneCall(t *testing.T) {
	server := &double{streams: func(stream grpc.ServerStreamingServer[v1.CompletionEvent]) error {
		return errors.Join(stream.Send(text(0, "all")), stream.Send(finished()))
	}}
	answer := dialed(t, server).Stream(context.Background(), &v1.CompletionRequest{})
	for range 3 {
		if folded, err := answer.Fold(); err != nil || Text(folded) != "all" {
			t.Errorf("got %v, %v", folded, err)
		}
	}
	if server.calls != 1 {
		t.Errorf("%d calls were made", server.calls)
	}
}

func TestLeavingTheLoopCancels(t *testing.T) {
	gone := make(chan error, 1)
	server := &double{streams: func(stream grpc.ServerStreamingServer[v1.CompletionEvent]) error {
		stream.Send(text(0, "a"))
		<-stream.Context().Done()
		gone <- stream.Context().Err()
		return nil
	}}
	answer := dialed(t, server).Stream(context.Background(), &v1.CompletionRequest{})
	for range answer {
		break
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the server was not told")
	}
	if _, err := answer.Fold(); status.Code(err) != codes.Canceled || server.calls != 1 {
		t.Errorf("what is left of it: %v after %d calls", err, server.calls)
	}
}

func TestAnAnswerIsWholeWithoutItsTrailers(t *testing.T) {
	server := &double{streams: func(stream grpc.ServerStreamingServer[v1.CompletionEvent]) error {
		return errors.Join(stream.Send(finished()), status.Error(codes.Unavailable, "lost"))
	}}
	if _, err := dialed(t, server).Stream(context.Background(), &v1.CompletionRequest{}).Fold(); err != nil {
		t.Error(err)
	}
}

func TestEveryCallHasADeadline(t *testing.T) {
	var left time.Duration
	server := &double{whole: func(ctx context.Context) error {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return nil
	}}
	for timeout, options := range map[time.Duration][]Option{
		DefaultTimeout: nil, time.Minute: {WithTimeout(time.Minute)},
	} {
		if dialed(t, server, options...).Complete(context.Background(), nil); left > timeout || left < timeout-10*time.Second {
			t.Errorf("%s instead of %s", left, timeout)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if dialed(t, server).Complete(ctx, nil); left < 50*time.Minute {
		t.Errorf("the caller's own deadline gave way to one of %s", left)
	}
}

func TestWhatTravels(t *testing.T) {
	var got metadata.MD
	server := &double{whole: func(ctx context.Context) error {
		got, _ = metadata.FromIncomingContext(ctx)
		return nil
	}}
	client := dialed(t, server, WithAPIKey("k3y"))
	client.Complete(context.Background(), &v1.CompletionRequest{RequestId: "r-1"})
	for key, want := range map[string]string{
		"authorization": "Bearer k3y", requestIDKey: "r-1", "user-agent": "quickthorn-go/" + Version,
	} {
		if all := got.Get(key); len(all) != 1 || !strings.HasPrefix(all[0], want) {
			t.Errorf("%s: %q", key, all)
		}
	}
	client.Complete(context.Background(), &v1.CompletionRequest{RequestId: "no\nheader"})
	if all := got.Get(requestIDKey); len(all) != 0 {
		t.Errorf("%q", all)
	}
}

func TestOnlyAServerOfOursIsBelieved(t *testing.T) {
	theirs, _ := status.New(codes.Unavailable, "busy").WithDetails(&errdetails.ErrorInfo{Domain: "proxy", Reason: "X"})
	server := &double{whole: func(context.Context) error { return theirs.Err() }}
	var failed *Error
	_, err := dialed(t, server).Complete(context.Background(), nil)
	if !errors.As(err, &failed) || failed.FromServer || failed.Reason != "" || failed.Code != codes.Unavailable {
		t.Errorf("%+v", err)
	}
}

func TestTargets(t *testing.T) {
	for target, want := range map[string]string{
		"host:1":              "host:1",
		"http://host:1":       "host:1",
		"HTTPS://[::1]:443/":  "[::1]:443 with TLS",
		"unix:/run/qt.socket": "unix:/run/qt.socket",
		"host":                `target "host" has no port; write "host:port"`,
		"":                    `target "" has no port`,
		"host:0":              "has no port",
		"host:http":           "has no port",
		"https://host":        "has no port",
		"ftp://host:1":        `is neither http:// nor https://, but ftp://; write "host:port"`,
	} {
		address, secure, err := addressed(target, false)
		got := address
		if secure {
			got += " with TLS"
		}
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || (err == nil && got != want) {
			t.Errorf("%q: %s", target, got)
		}
	}
}

func TestWhatCannotBeDialled(t *testing.T) {
	for want, options := range map[string][]Option{
		"is clear text, and TLS is asked for": {WithTLS(TLS{})},
		"API key is empty":                    {WithAPIKey("")},
		"no header can carry":                 {WithAPIKey("s3cret\n")},
		"no-such-file":                        {WithTLS(TLS{CA: "no-such-file"})},
	} {
		target := "http://host:1"
		if strings.Contains(want, "file") {
			target = "https://host:1"
		}
		var failed *Error
		_, err := Dial(target, options...)
		if !errors.As(err, &failed) || failed.Code != codes.InvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the key stands in %q", err)
		}
	}
}
