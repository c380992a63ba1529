// Ask for what there is not, and print all that the error says.
package main

import (
	"cmp"
	"context"
	"errors"
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
	// begin errors
	_, err = client.Complete(context.Background(), &v1.CompletionRequest{Route: "nowhere"})
	var failed *quickthorn.Error
	if errors.As(err, &failed) {
		fmt.Println(failed.Code, failed.Reason, failed.Message, "said by the server:", failed.FromServer)
		for _, attempt := range failed.Failure.GetAttempts() {
			fmt.Println(attempt.GetBackend(), attempt.GetFailure())
		}
		for _, violation := range failed.FieldViolations {
			fmt.Println(violation.GetField(), violation.GetDescription())
		}
		if failed.RetryDelay > 0 {
			fmt.Println("asking again may help in", failed.RetryDelay)
		}
	}
	// end errors
}
