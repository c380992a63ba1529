"""Where the server's Python spends a unary call: `python -m bench.profile_unary >bench/profile/unary.txt`.

Needs py-spy on the path (`pip install py-spy`), which is no dependency of the project.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import uvloop

from bench.load import Target
from bench.run import Program, configuration

SECONDS, RATE = 5, 500
OWN, WITH_CALLEES = 30, 60


async def main() -> None:
    """Start upstream and server, keep 32 calls in flight, sample the server, print shares in percent."""
    core = max(os.sched_getaffinity(0))
    upstream = Program("-m", "bench.upstream", core=None)
    with tempfile.TemporaryDirectory() as folder:
        config, samples = Path(folder, "bench.yaml"), Path(folder, "samples")
        config.write_text(configuration(int(upstream.words[1]), Path(folder, "records")))  # noqa: ASYNC240 - a small file
        server = Program("-m", "bench.observed", "serve", "--config", str(config), core=core)
        target = Target("ours", server.words[3], server.pid)
        try:
            load = asyncio.create_task(target.saturated("whole", SECONDS + 2))
            await asyncio.sleep(1)
            await asyncio.to_thread(sample, server.pid, samples)
            await load
            print(told(samples.read_text().splitlines()))  # noqa: ASYNC240 - the load is over
        finally:
            await target.close()
            server.stop()
            upstream.stop()


def sample(pid: int, samples: Path) -> None:
    """Sample the threads that hold the interpreter's lock."""
    options = ("--gil", "--rate", str(RATE), "--duration", str(SECONDS), "--format", "raw", "--output", str(samples))
    command = ("py-spy", "record", "--pid", str(pid), *options)
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own command


def told(lines: list[str]) -> str:
    """Return the shares of functions, their own and with what they call."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = [f"{frame.rpartition(':')[0]})" for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        whole.update(dict.fromkeys(frames, int(count)))
    total = own.total()

    def shares(counted: Counter[str], most: int) -> str:
        return "\n".join(
            f"{count / total * 100:5.1f} {name}" for name, count in counted.most_common(most) if count < total
        )

    head = f"py-spy, --gil, {RATE} Hz, {SECONDS} s, route whole, 32 in flight: share of {total} samples in %."
    return f"{head}\n\nOWN\n{shares(own, OWN)}\n\nWITH CALLEES\n{shares(whole, WITH_CALLEES)}"


if __name__ == "__main__":
    uvloop.run(main())
