"""`quickthorn` in a process that has OpenTelemetry's SDK set up, samples nothing and exports nothing.

That is what most calls are where one in a hundred is sampled: spans are made and carried along, and nobody gets them.
"""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from quickthorn_server.cli import main

if __name__ == "__main__":
    trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF))
    main(prog_name="quickthorn")
