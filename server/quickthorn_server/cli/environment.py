"""What gRPC reads from the environment when it is imported; so this comes before everything that imports it."""

import os

# Its fork handlers have nothing to do where nobody forks and goes on, and complain of every child that starts.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# It tells of every failed handshake on standard error, where an operator reads our own lines.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
