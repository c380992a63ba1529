// Stop answers early, each in its own way. The server closes its connection to the provider at once every time.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	quickthorn "github.com/quickthorn/quickthorn/clients/go"
	v1 "github.com/quickthorn/quickthorn/clients/go/v1"
)

func main() {
	client, err := quickthorn.Dial(cmp.Or(os.Getenv("QUICKTHORN_TARGET"), "127.0.0.1:50051"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	question := &v1.Part{Kind: &v1.Part_Text{Text: "Count from one to one thousand, in words."}}
	request := &v1.CompletionRequest{
		Messages: []*v1.Message{{Role: v1.Role_ROLE_USER, Parts: []*v1.Part{question}}},
	}
	// begin cancel
	for event, err := range client.Stream(context.Background(), request) {
		if err != nil {
			log.Fatal(err)
		}
		if text := event.GetText().GetText(); text != "" {
			fmt.Println(text, "-- that was enough")
			break // leaving the loop cancels the call
		}
	}

	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel) // or context.WithTimeout
	_, err = client.Complete(ctx, request)
	fmt.Println("-- cancelled:", errors.Is(err, context.Canceled))
	// end cancel
}
