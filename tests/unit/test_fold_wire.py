"""The fold law for events as the server writes them."""

from __future__ import annotations

import random

from quickthorn import fold
from quickthorn.v1.content_pb2 import Part
from quickthorn_server.core.completion import Fold
from quickthorn_server.edge import wire_answer
from quickthorn_server.edge.wire_content import part_fields
from tests.support.fake_routing import finished, started
from tests.support.random_replies import random_reply


def test_the_servers_events_fold_to_its_answer() -> None:
    """For 1,000 random replies, each one burst whose neighbouring texts are joined, no part is lost or changed."""
    dice = random.Random(1)
    for _ in range(1_000):
        chunks = random_reply(dice)
        server = Fold()
        server.add(chunks)
        folded = fold([started(), *wire_answer.events(chunks[:-1]), finished()])
        assert list(folded.message.parts) == [Part(**part_fields(part)) for part in server.parts()]
