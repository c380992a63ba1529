"""Try the release of Python: both wheels, the server of one called with the client of the other."""

from __future__ import annotations

import sys
import tempfile

from tools import wheels
from tools.trial import ANSWER, QUESTION, expect, run, served

NEEDS = ()

_CALL = """\
import sys
from quickthorn import Client, text

with Client(sys.argv[1]) as client, client.stream(sys.argv[2]) as events:
    print(text(client.complete(sys.argv[2])))
    print(text(events.fold()))
"""


def main() -> int:
    """Build, install and call; exits with a message at the first thing that is wrong."""
    wheels.main()
    python = (str(wheels.INSTALLED.python), "-E")  # sees nothing but what is installed
    with tempfile.TemporaryDirectory() as empty, served([*python, "-m", "quickthorn_server"]) as address:
        said = run([*python, "-W", "error", "-c", _CALL, address, QUESTION], empty)
    expect(said, f"{ANSWER}\n{ANSWER}\n", "the installed client")
    sys.stdout.write("python: ok\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
