// Print an answer as it is written, then what only its end knows.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"

	quickthorn "github.com/quickthorn/quickthorn/clients/go"
	v1 "github.com/quickthorn/quickthorn/clients/go/v1"
)

func main() {
	client, err := quickthorn.Dial(cmp.Or(os.Getenv("QUICKTHORN_TARGET"), "127.0.0.1:50051"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	question := &v1.Part{Kind: &v1.Part_Text{Text: "Write a line about rain."}}
	request := &v1.CompletionRequest{
		Messages: []*v1.Message{{Role: v1.Role_ROLE_USER, Parts: []*v1.Part{question}}},
	}
	// begin stream
	answer := client.Stream(context.Background(), request)
	for event, err := range answer {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(event.GetText().GetText())
	}
	completion, err := answer.Fold() // what was shown, whole, and what only the end knows
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("\n-- %d tokens, request %s\n", completion.GetUsage().GetOutputTokens(), completion.GetRequestId())
	// end stream
}
