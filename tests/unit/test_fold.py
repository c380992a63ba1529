"""The fold law: folding the events of a stream gives what the unary call would have returned."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest

from quickthorn import STREAM_CUT, Fold, QuickthornError, afold, fold, messages, text, tool_calls
from quickthorn_server.core.chunk import End
from quickthorn_server.core.completion import Fold as ServerFold
from tests.support import fold_wire
from tests.support.fake_routing import finished, say, started, unknown_event, whole
from tests.support.random_replies import random_reply

Event = messages.CompletionEvent
Part = messages.Part


def part_event(index: int, value: Part) -> Event:
    """Return a part that comes whole, or what comes late for one."""
    return Event(part=messages.PartEvent(part=index, value=value))


def tool_delta(index: int, arguments: str, call_id: str = "", name: str = "") -> Event:
    """Return more of a tool call."""
    return Event(tool_call=messages.ToolCallDelta(part=index, id=call_id, name=name, arguments_json=arguments))


def parts(*events: Event) -> list[Part]:
    """Return the parts of the answer that *events* make."""
    return list(fold([started(), *events, finished()]).message.parts)


def test_the_clients_fold_is_the_servers() -> None:
    """For 1,000 random replies, folding events equals the whole answer that the server folds of its chunks."""
    dice = random.Random(20261120)
    kinds: set[str | None] = set()
    for _ in range(1_000):
        chunks = random_reply(dice)
        server = ServerFold()
        server.add(chunks)
        assert isinstance(server.end, End)
        expected = fold_wire.completion(server.parts(), server.end)
        assert fold(fold_wire.events(chunks)) == expected
        kinds |= {part.WhichOneof("kind") for part in expected.message.parts}
    assert kinds == {"text", "reasoning", "tool_call", "refusal", "image", "audio", "provider_block"}


def test_what_a_client_does_not_know_changes_nothing() -> None:
    """Heartbeats, usage, seams and events of unknown kinds may stand anywhere, and the answer is the same."""
    dice = random.Random(7)
    noise = [
        unknown_event(),
        Event(),
        Event(heartbeat=messages.Heartbeat()),
        Event(usage=messages.Usage(input_tokens=1)),
        Event(seam=messages.Seam(from_backend="a", to_backend="b")),
    ]
    assert unknown_event().WhichOneof("event") is None
    for _ in range(100):
        events = fold_wire.events(random_reply(dice))
        noisy = [each for event in events for each in (*dice.choices(noise, k=dice.randrange(3)), event)]
        assert fold(noisy) == fold(events)


def test_parts_stand_in_the_order_of_their_indices() -> None:
    """Deltas of two parts may come in turns; each part is whole and in its place."""
    found = parts(*say("a", part=1), *say("x", part=0), *say("b", part=1), *say("y", part=0))
    assert [part.text for part in found] == ["xy", "ab"]


def test_a_tool_call_is_named_once() -> None:
    """Id and name come with the first delta; arguments are joined byte for byte."""
    [call] = [part.tool_call for part in parts(tool_delta(0, '{"a"', "call-1", "add"), tool_delta(0, ": 40.0}"))]
    assert (call.id, call.name, call.arguments_json) == ("call-1", "add", '{"a": 40.0}')


def test_late_citations_accumulate() -> None:
    """A part without a kind adds its citations to those that are there, and puts its opaque state on the part."""
    one, two = messages.Citation(uri="one"), messages.Citation(uri="two")
    state = messages.OpaqueState(provider="gemini", data=b"signed")
    [part] = parts(
        *say("It rains."),
        part_event(0, Part(citations=[one])),
        part_event(0, Part(citations=[two], opaque=state)),
    )
    assert part == Part(text="It rains.", citations=[one, two], opaque=state)


def test_opaque_state_is_replaced_whole() -> None:
    """A later opaque state never mixes with an earlier one: half of each would be nobody's."""
    old = messages.OpaqueState(provider="openai", model="bound", item_id="item", data=b"old")
    new = messages.OpaqueState(provider="openai", data=b"new")
    [part] = parts(part_event(0, Part(refusal="No.", opaque=old)), part_event(0, Part(opaque=new)))
    assert part == Part(refusal="No.", opaque=new)


def test_a_part_of_an_unknown_kind_is_kept() -> None:
    """What a newer server calls a part survives the fold byte for byte, although this client cannot read it."""
    newer = Part.FromString(bytes([0xE2, 0x06, 5, 0x0A, 3]) + b"new")  # field 108
    [part] = parts(part_event(0, newer))
    assert part.WhichOneof("kind") is None
    assert part.SerializeToString() == newer.SerializeToString()


def test_folding_leaves_the_events_alone() -> None:
    """The same events can be folded twice: nothing is added to the messages that were passed in."""
    late = part_event(0, Part(citations=[messages.Citation(uri="x")]))
    events = [started(), part_event(0, Part(refusal="No.")), late, finished()]
    assert fold(events) == fold(events)


def test_an_empty_answer_is_an_answer() -> None:
    """An answer without parts still has a message, of the assistant."""
    answer = fold([started(), finished()])
    assert answer.HasField("message")
    assert answer.message.role == messages.Role.ROLE_ASSISTANT
    assert text(answer) == ""


def test_absent_is_not_zero() -> None:
    """Usage and cost that `finished` leaves out stay absent, and a cost of 0 stays 0."""
    unknown = fold([started(), Event(finished=messages.Finished())])
    assert not unknown.HasField("usage")
    assert not unknown.HasField("cost_nano_usd")
    free = fold([started(), finished(cost_nano_usd=0)])
    assert free.HasField("cost_nano_usd")


@pytest.mark.parametrize("events", [[], [started()], whole("Hello")[:-1]])
def test_a_cut_stream_is_no_answer(events: list[Event]) -> None:
    """Without `finished` there is no Completion but one clear error, which nobody but this client said."""
    with pytest.raises(QuickthornError) as caught:
        fold(events)
    assert (caught.value.reason, caught.value.code) == (STREAM_CUT, grpc.StatusCode.UNAVAILABLE)
    assert not caught.value.from_server


def test_a_fold_can_be_looked_at_while_it_grows() -> None:
    """The message so far is there after every event, and `finished` says when it is whole."""
    folded = Fold()
    seen = []
    for event in whole("Hel", "lo"):
        folded.add(event)
        seen.append((text(folded.message()), folded.finished))
    assert seen == [("", False), ("Hel", False), ("Hello", False), ("Hello", True)]


def test_any_iterable_will_do() -> None:
    """Lists, generators and asynchronous generators fold alike."""

    def one_by_one() -> Iterator[Event]:
        yield from whole("Hello")

    async def slowly() -> AsyncIterator[Event]:
        for event in whole("Hello"):
            await asyncio.sleep(0)
            yield event

    assert fold(whole("Hello")) == fold(one_by_one()) == asyncio.run(afold(slowly()))


def test_text_is_only_text() -> None:
    """`text` joins text parts and leaves reasoning, refusals and tool calls out; `tool_calls` gives those."""
    call = messages.ToolCall(id="1", name="add", arguments_json="{}")
    said = messages.Message(
        parts=[Part(reasoning="Hm."), Part(text="Hel"), Part(tool_call=call), Part(refusal="No."), Part(text="lo")]
    )
    assert text(said) == text(messages.Completion(message=said)) == "Hello"
    assert tool_calls(said) == tool_calls(messages.Completion(message=said)) == [call]
