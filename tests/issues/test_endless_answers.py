"""The text of a streamed answer was kept to its end, for citations to quote: an endless one grew without end."""

from __future__ import annotations

import tracemalloc

import orjson

from quickthorn_server.core.chunk import Opened, WholePart
from quickthorn_server.providers.openai_reply import Answer
from quickthorn_server.providers.sse import Event
from tests.support.upstream import finish_event, text_event

SOURCE = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 3}}


def test_an_endless_answer_takes_no_more_than_a_long_one() -> None:
    """10 MB of text leave less than 1 MB behind; what is cited of its beginning still has its place."""
    answer = Answer(Opened(), "openai")
    tracemalloc.start()
    for _ in range(10_000):
        answer.event(Event(b"", orjson.dumps(text_event("é" + "x" * 999))))
        answer.burst()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1024 * 1024
    sourced = text_event("")
    sourced["choices"][0]["delta"]["annotations"] = [SOURCE]
    for payload in (sourced, finish_event()):
        answer.event(Event(b"", orjson.dumps(payload)))
    answer.event(Event(b"", b"[DONE]"))
    answer.finish()
    (citation,) = (cited for chunk in answer.burst() if isinstance(chunk, WholePart) for cited in chunk.value.citations)
    assert (citation.start, citation.end) == (0, 4)
