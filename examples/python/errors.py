"""One exception says what went wrong, who says so, and what may help."""

import time

import grpc

from quickthorn import Client, QuickthornError, text
from quickthorn.messages import Completion

TURNS = 3


def patient(client: Client, prompt: str) -> Completion | None:
    """Ask, and ask again where the server names a wait: it has already retried and failed over by itself."""
    # begin errors
    for _ in range(TURNS):
        try:
            return client.complete(prompt, timeout=30)
        except QuickthornError as error:
            print(f"{error.code.name} {error.reason}: {error.message} (from the server: {error.from_server})")
            for attempt in error.attempts:
                print(f"  {attempt.backend}: {attempt.failure}")
            for violation in error.field_violations:
                print(f"  {violation.field}: {violation.description}")
            if error.code is grpc.StatusCode.INVALID_ARGUMENT or error.retry_delay is None:
                break
            time.sleep(error.retry_delay.total_seconds())
    # end errors
    return None


if __name__ == "__main__":
    with Client() as client:
        completion = patient(client, "Why is rain wet?")
        print(text(completion) if completion else "no answer")
