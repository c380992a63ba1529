// The Go client's program for the conformance cases: see tests/conformance/README.md.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	quickthorn "github.com/quickthorn/quickthorn/clients/go"
	v1 "github.com/quickthorn/quickthorn/clients/go/v1"
)

type testCase struct {
	ID                string            `json:"id"`
	Call              string            `json:"call"`
	Target            string            `json:"target"`
	TLS               *tlsFiles         `json:"tls"`
	APIKey            *string           `json:"api_key"`
	Request           []byte            `json:"request"`
	TimeoutMs         int               `json:"timeout_ms"`
	Metadata          map[string]string `json:"metadata"`
	CancelAfterEvents *int              `json:"cancel_after_events"`
	CancelAfterMs     *int              `json:"cancel_after_ms"`
	PauseMs           int               `json:"pause_ms"`
	Type              string            `json:"type"`
	Data              []byte            `json:"data"`
}

type tlsFiles struct {
	CA   string `json:"ca"`
	Cert string `json:"cert"`
	Key  string `json:"key"`
}

type result struct {
	ID        string   `json:"id"`
	Response  []byte   `json:"response"`
	Events    [][]byte `json:"events,omitempty"`
	Folded    []byte   `json:"folded"`
	Cancelled bool     `json:"cancelled,omitempty"`
	Error     *told    `json:"error,omitempty"`
	ElapsedMs float64  `json:"elapsed_ms"`
}

type told struct {
	Code         string   `json:"code"`
	Reason       string   `json:"reason"`
	Message      string   `json:"message"`
	FromServer   bool     `json:"from_server"`
	RetryDelayMs *float64 `json:"retry_delay_ms,omitempty"`
	Attempts     int      `json:"attempts"`
	Fields       []string `json:"fields"`
	RequestID    string   `json:"request_id"`
}

func main() {
	lines, answers := bufio.NewReader(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		var given testCase
		must(err)
		must(json.Unmarshal(line, &given))
		must(answers.Encode(answer(&given)))
	}
}

func answer(given *testCase) *result {
	out := &result{ID: given.ID}
	if given.Call == "decode" {
		kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(given.Type))
		must(err)
		out.Response = encoded(decoded(given.Data, kind.New().Interface()))
		return out
	}
	began := time.Now()
	err := call(given, out)
	out.ElapsedMs = float64(time.Since(began).Microseconds()) / 1000
	if err != nil && !out.Cancelled {
		out.Error = tell(err)
	}
	return out
}

// call makes the call that is asked for, and cancels it in time if that is asked for too.
func call(given *testCase, out *result) error {
	client, err := quickthorn.Dial(given.Target, options(given)...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(context.Background(), metadata.New(given.Metadata)))
	defer cancel()
	if given.TimeoutMs > 0 {
		bounded, stop := context.WithTimeout(ctx, time.Duration(given.TimeoutMs)*time.Millisecond)
		defer stop()
		ctx = bounded
	}
	if given.CancelAfterMs != nil {
		time.AfterFunc(time.Duration(*given.CancelAfterMs)*time.Millisecond, cancel)
	}
	if given.CancelAfterEvents != nil && *given.CancelAfterEvents == 0 {
		cancel()
	}
	if given.Call == "stream" {
		err = stream(ctx, client, given, out)
	} else {
		err = unary(ctx, client, given, out)
	}
	out.Cancelled = out.Cancelled || errors.Is(err, context.Canceled)
	return err
}

func options(given *testCase) []quickthorn.Option {
	var options []quickthorn.Option
	if given.TLS != nil {
		options = append(options, quickthorn.WithTLS(quickthorn.TLS{CA: given.TLS.CA, Cert: given.TLS.Cert, Key: given.TLS.Key}))
	}
	if given.APIKey != nil {
		options = append(options, quickthorn.WithAPIKey(*given.APIKey))
	}
	return options
}

func stream(ctx context.Context, client *quickthorn.Client, given *testCase, out *result) error {
	answer := client.Stream(ctx, decoded(given.Request, &v1.CompletionRequest{}))
	for event, err := range answer {
		if err != nil {
			return err
		}
		out.Events = append(out.Events, encoded(event))
		if given.CancelAfterEvents != nil && len(out.Events) == *given.CancelAfterEvents {
			out.Cancelled = true
			return nil
		}
		time.Sleep(time.Duration(given.PauseMs) * time.Millisecond)
	}
	folded, err := answer.Fold()
	out.Folded = encoded(folded)
	return err
}

func unary(ctx context.Context, client *quickthorn.Client, given *testCase, out *result) error {
	var message proto.Message
	var err error
	switch given.Call {
	case "complete":
		message, err = client.Complete(ctx, decoded(given.Request, &v1.CompletionRequest{}))
	case "explain":
		message, err = client.Explain(ctx, decoded(given.Request, &v1.CompletionRequest{}))
	case "embed":
		message, err = client.Embed(ctx, decoded(given.Request, &v1.EmbedRequest{}))
	case "list_routes":
		message, err = client.ListRoutes(ctx)
	default:
		log.Fatalf("no call is named %q", given.Call)
	}
	out.Response = encoded(message)
	return err
}

// tell returns all that the typed error says.
func tell(err error) *told {
	var failed *quickthorn.Error
	if !errors.As(err, &failed) {
		log.Fatalf("not the typed error: %v", err)
	}
	said := &told{
		Code:       code.Code(failed.Code).String(),
		Reason:     failed.Reason,
		Message:    failed.Message,
		FromServer: failed.FromServer,
		Attempts:   len(failed.Failure.GetAttempts()),
		Fields:     []string{},
		RequestID:  failed.RequestID,
	}
	if failed.RetryDelay > 0 {
		milliseconds := float64(failed.RetryDelay.Microseconds()) / 1000
		said.RetryDelayMs = &milliseconds
	}
	for _, violation := range failed.FieldViolations {
		said.Fields = append(said.Fields, violation.Field)
	}
	return said
}

func decoded[Message proto.Message](data []byte, message Message) Message {
	must(proto.Unmarshal(data, message))
	return message
}

func encoded(message proto.Message) []byte {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	must(err)
	return data
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
