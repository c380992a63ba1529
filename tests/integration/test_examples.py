"""Every example runs as it stands, against a real server."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.served import served

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "python").glob("*.py"))

CONFIG = """
backends:
  - name: a
    provider: scripted
    model: m
    capabilities: [text, tools]
    script:
      - steps:
          - {text: "Because "}
          - {text: "it ", after: 20ms}
          - {text: "rains.", after: 20ms}
          - {usage: {input: 9, output: 4}}
routes: [{name: default, backends: [a]}]
"""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    """It ends with 0 and prints something; only the server's address is changed."""
    copy = tmp_path / example.name
    source = example.read_text()

    async def main() -> subprocess.CompletedProcess[str]:
        async with served(CONFIG) as address:
            elsewhere = re.sub(r"Client\(\)", f'Client("{address}")', source).replace("127.0.0.1:50051", address)
            await asyncio.to_thread(copy.write_text, elsewhere)
            assert address in elsewhere
            command = [sys.executable, "-W", "error", str(copy)]
            return await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
            )

    done = asyncio.run(main())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
