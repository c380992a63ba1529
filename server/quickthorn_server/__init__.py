"""Quickthorn's server: one call in over gRPC, the best living model answers."""

__version__ = "0.1.0"
