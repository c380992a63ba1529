// Ask once and print the answer.
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
	question := &v1.Part{Kind: &v1.Part_Text{Text: "Why is rain wet?"}}
	completion, err := client.Complete(context.Background(), &v1.CompletionRequest{
		Messages: []*v1.Message{{Role: v1.Role_ROLE_USER, Parts: []*v1.Part{question}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(quickthorn.Text(completion))
}
