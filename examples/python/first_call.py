"""Ask once and print the answer."""

from quickthorn import Client, text

with Client("127.0.0.1:50051") as client:
    completion = client.complete("Why is rain wet?", max_output_tokens=60)
    print(text(completion))
    trace = completion.trace
    served = trace.attempts[trace.served_by].backend if trace.HasField("served_by") else f"nobody ({trace.rung})"
    print(f"-- served by {served}, {completion.usage.output_tokens} tokens")
