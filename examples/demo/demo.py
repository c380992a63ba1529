"""A real language model through the whole service: answered, streamed, overtaken when slow, survived when dead.

Starts `quickthorn serve` with two copies of the embedded model and calls it as any client would.  Needs no key and no
network.  Prints `demo ok` and exits with 0 when everything happened as it should.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from quickthorn import Client, text
from quickthorn.v1.completion_pb2 import Completion
from quickthorn.v1.trace_pb2 import LANE_CAUSE_FAILOVER, LANE_CAUSE_SILENCE, LANE_OUTCOME_FAILED, LANE_OUTCOME_LOST
from quickthorn_server.cli.terminal import say, trace_table

HERE = Path(__file__).parent
START = 120.0  # seconds until the server must listen and both models must be loaded
TOKENS = 60


class Server:
    """`quickthorn serve` in a process of its own, and what it says on standard error."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "quickthorn_server", "serve", "--config", str(HERE / "quickthorn.yaml")]
        self._process = subprocess.Popen(  # noqa: S603 - our own command, nothing of a caller's in it
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._said: list[str] = []
        for stream in (self._process.stdout, self._process.stderr):
            threading.Thread(target=self._listen, args=(stream,), daemon=True).start()

    def _listen(self, stream: Iterator[str]) -> None:
        self._said.extend(iter(stream))

    def last(self, pattern: str) -> str:
        """Return the group of the newest line that matches *pattern*, once there is one."""
        end = time.monotonic() + START
        while time.monotonic() < end and self._process.poll() is None:
            found = [match[1] for line in tuple(self._said) if (match := re.search(pattern, line))]
            if found:
                return found[-1]
            time.sleep(0.05)
        sys.exit("".join(["the server did not say what was waited for; it said:\n", *self._said]))

    def model_process(self, backend: str) -> int:
        """Return the process id of a backend's model."""
        return int(self.last(rf"local model {backend}: ready \(process (\d+)\)"))

    def stop(self) -> None:
        """Ask it to drain, and wait."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=30)


@contextmanager
def throttled(process: int) -> Iterator[None]:
    """Let *process* run for one millisecond of every hundred: the same model on a very bad day."""
    over = threading.Event()

    def hold() -> None:
        while not over.is_set():
            os.kill(process, signal.SIGSTOP)
            over.wait(0.099)
            os.kill(process, signal.SIGCONT)
            over.wait(0.001)

    throttle = threading.Thread(target=hold)
    throttle.start()
    try:
        yield
    finally:
        over.set()
        throttle.join()


def show(title: str, completion: Completion) -> None:
    """Print who served and why."""
    say(f"\n{trace_table(completion)}")
    print(f"-- {title}\n", flush=True)


def check(holds: bool, claim: str) -> None:
    """End the demo unless what it says happened."""
    if not holds:
        sys.exit(f"demo failed: {claim}")


def stream(client: Client, prompt: str, route: str) -> Completion:
    """Print an answer as it comes and return it whole."""
    with client.stream(prompt, route=route, max_output_tokens=TOKENS, temperature=0.7) as events:
        for piece in events.text():
            print(piece, end="", flush=True)
        return events.fold()


def main() -> None:
    """Run the four scenes."""
    print("starting the server and two copies of the model ...")
    server = Server()
    try:
        with Client(server.last(r"listens on (\S+)"), timeout=60) as client:
            scenes(client, server.model_process)
    finally:
        server.stop()
    print("demo ok")


def scenes(client: Client, model_process: Callable[[str], int]) -> None:
    """Play the four scenes and check each."""
    one = model_process("one")
    model_process("two")

    print("\n1. one call, one answer\n")
    answer = client.complete("Name three colours of the sky.", max_output_tokens=TOKENS)
    print(text(answer))
    show("a unary call", answer)
    check(bool(text(answer)), "the model answered")

    print("2. the same, as it is written\n")
    answer = stream(client, "Tell me in two sentences what a hedge is good for.", "default")
    show("a streamed call", answer)
    check(len(answer.trace.attempts) == 1, "one backend was asked")

    print("3. `one` is throttled: after 400 ms of silence `two` is asked as well, and the first to speak wins\n")
    with throttled(one):
        answer = stream(client, "What is rain?", "hedged")
    show("the slow backend was overtaken and its request cancelled", answer)
    first, second = answer.trace.attempts
    check(first.outcome == LANE_OUTCOME_LOST and second.cause == LANE_CAUSE_SILENCE, "the hedge won")

    print("4. `one` is killed: the call goes on elsewhere\n")
    os.kill(one, signal.SIGKILL)
    answer = stream(client, "What is snow?", "default")
    show("the dead backend was survived; it is being started again", answer)
    first, second = answer.trace.attempts
    check(first.outcome == LANE_OUTCOME_FAILED and second.cause == LANE_CAUSE_FAILOVER, "the call failed over")


if __name__ == "__main__":
    main()
