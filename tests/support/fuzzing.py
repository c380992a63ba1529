"""Broken answers for a wire format to read, and what came of each."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

from quickthorn_server.core.chunk import Burst
from quickthorn_server.core.failures import BackendError
from quickthorn_server.providers.http_provider import Batch, Outgoing, WireFormat
from tests.support.formats import wire_of
from tests.support.mutations import mutated
from tests.support.recorded import Case

_OK = 200


def read_broken(found: list[Case], bodies: int, seed: int) -> Counter[str]:
    """Let the formats of *found* read *bodies* mutated bodies, cut anywhere; return how many came to what.

    Raises whatever a parser raises that is no BackendError, with the case and the number in a note.
    """
    wires = {case.id: wire_of(case) for case in found}
    came_to: Counter[str] = Counter()
    for number in range(bodies):
        case = found[number % len(found)]
        draw = random.Random(f"{seed}:{case.id}:{number}")
        body = mutated(case.body, draw)
        try:
            came_to[_read(wires[case.id], case, body, draw)] += 1
        except Exception as error:
            error.add_note(f"case {case.id}, seed {seed}, number {number}")
            raise
    return came_to


def broken_pieces(case: Case, number: int, seed: int) -> list[bytes]:
    """Return one mutated body of a case, cut as the network pleases."""
    draw = random.Random(f"{seed}:{case.id}:{number}")
    return list(_pieces(mutated(case.body, draw), draw))


def _read(wire: WireFormat, case: Case, body: bytes, draw: random.Random) -> str:
    if case.status != _OK:
        return wire.failure(case.status, case.header, body).failure.value
    try:
        if case.expected["embeddings"] is not None:
            count = case.expected["embeddings"]["count"]
            wire.embedded(body, Batch(Outgoing("", {}, b""), count))
        else:
            for burst in _bursts(wire, case, body, draw):
                assert all(chunk is not None for chunk in burst)
    except BackendError as error:
        return error.failure.value
    return "answered"


def _bursts(wire: WireFormat, case: Case, body: bytes, draw: random.Random) -> Iterator[Burst]:
    opened = wire.opened(case.header)
    if case.header("content-type").partition(";")[0].strip().lower() not in wire.stream_types:
        yield wire.whole(body, opened)
        return
    reading = wire.reading(opened)
    for piece in [*_pieces(body, draw), b""]:
        if not reading.done:
            yield reading.take(piece)
            reading.check()
    assert reading.done, "the end of the stream is an end"


def _pieces(body: bytes, draw: random.Random) -> Iterator[bytes]:
    places = sorted(draw.randrange(len(body) + 1) for _ in range(draw.randint(0, 20)))
    for start, end in zip([0, *places], [*places, len(body)], strict=True):
        if start < end:
            yield body[start:end]
