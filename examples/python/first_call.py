"""Ask once and print the answer."""

from quickthorn import Client, text

with Client("127.0.0.1:50051") as client:
    completion = client.complete("Why is rain wet?", max_output_tokens=60)
    print(text(completion))
    served = completion.trace.attempts[completion.trace.served_by]
    print(f"-- served by {served.backend}, {completion.usage.output_tokens} tokens")
