"""Run the tests on the oldest dependencies that pyproject.toml says we support, the client's and the server's apart."""

from __future__ import annotations

import os
import subprocess
import sys

from tools.environment import ROOT, Environment, made

CLIENT = Environment(".venv-lowest/client", ("requirements/lowest-client.txt",))
SERVER = Environment(".venv-lowest/server", ("requirements/lowest-server.txt",))
CLIENT_TESTS = ("tests/unit/test_contract.py", "tests/unit/test_fold.py", "tests/unit/test_client_*.py")
SERVER_TESTS = ("tests/unit", "tests/property", "tests/issues", "tests/integration")

OLD = "ignore:Type google:DeprecationWarning"  # protobuf 4's own types, on Python 3.12 and later


def main() -> int:
    """Run them; return the exit code of the first that fails."""
    client = [str(path) for pattern in CLIENT_TESTS for path in sorted(ROOT.glob(pattern))]
    return _tested(CLIENT, *client) or _tested(SERVER, *SERVER_TESTS)


def _tested(environment: Environment, *tests: str) -> int:
    python = made(environment)
    sys.stdout.write(f"with {environment.requirements[0]}:\n")
    sys.stdout.flush()
    # Nothing of ours is installed there: what tests start as a program finds the sources like the tests do.
    sources = os.pathsep.join(str(ROOT / folder) for folder in ("server", "clients/python"))
    command = [str(python), "-m", "pytest", "-q", "-W", OLD, "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": sources}, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
