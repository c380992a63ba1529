"""The lines of a scripted backend: from configuration to steps, or to what is wrong with them.  Pure.

A script is a list of replies, played in turn, the last one again and again.  A reply is a mapping:

    script:
      - {text: "Hello.", after: 300ms}             # one step; a clean end follows by itself
      - {fail: rate_limited, retry_after: 2s, http_status: 429}
      - delay: 1s                                  # before the head of the reply
        close_after: 2s                            # how long closing takes when the call is given up
        steps:
          - {reasoning: "Hm. ", after: 100ms}
          - {text: "Hel"}
          - {text: "lo.", after: 50ms}
          - {tool_call: {id: c1, name: weather, arguments: {city: Oslo}}}
          - {usage: {input: 12, output: 5}}
          - {finish: tool_calls}
      - steps:                                     # a model that continues what another one began, by an anchor
          - {repeat: 64}                           # leave it out for one that honours `prefill`
          - {rest: "Hello, and good-bye."}
      - {vectors: [[0.5, 1], [0.25, 0]]}           # the answer to an embedding prompt of two inputs

A step does one thing: `text`, `reasoning`, `refusal`, `tool_call`, `vectors`, `usage`, `finish` (a finish reason, with
`stop_sequence`), `fail` (a failure, with `retry_after` and `http_status`), `hang: true` (silence for ever) or
`cut: true` (the stream stops without an end).  `rest` says a text from where the prompt's last assistant turn leaves
off, all of it where it does not begin with that turn; `repeat` says the last so many characters of that turn.
`after` is the wait before it.  Neighbouring texts are one part; `part` names another one, also inside `tool_call`.
Durations are `300ms`, `2s`, `1m` or a number of seconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from quickthorn_server.core.chunk import (
    Chunk,
    End,
    FinishReason,
    Opened,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    Vectors,
    WholePart,
)
from quickthorn_server.core.content import Part, Refusal
from quickthorn_server.core.embedding import Vector
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.resumed import Repeat, Rest

Step = tuple[float, Chunk | Rest | Repeat | BackendError | None]
"""Seconds to wait, then what happens: something is said, a failure, or None = nothing any more."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_REPLY_KEYS = frozenset({"steps", "delay", "close_after"})
_STEP_KEYS = frozenset({"after", "part", "stop_sequence", "retry_after", "http_status"})
_USAGE_KEYS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "reasoning": "reasoning_tokens",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What one call gets.  *close_after* in seconds: how long closing takes when the call is given up."""

    steps: Sequence[Step]
    close_after: float = 0.0


def validate_script(script: Any) -> list[str]:
    """Return what is wrong with a script, in words for whoever wrote it; nothing wrong = an empty list."""
    return _read(script, "")[1]


def read_script(script: Any, model: str) -> list[Reply]:
    """Return the replies of a script.  Raises ValueError with everything that is wrong with it."""
    replies, problems = _read(script, model)
    if problems:
        raise ValueError("; ".join(problems))
    return replies


def _read(script: Any, model: str) -> tuple[list[Reply], list[str]]:
    if not isinstance(script, Sequence) or isinstance(script, str) or not script:
        return [], ["script: a list with at least one reply is expected"]
    replies: list[Reply] = []
    problems: list[str] = []
    for number, reply in enumerate(script, 1):
        try:
            replies.append(_reply(reply, model))
        except ValueError as error:
            problems.append(f"script, reply {number}: {error}")
    return replies, problems


def _reply(given: Any, model: str) -> Reply:
    reply = _mapping(given)
    if "steps" in reply:
        steps = reply["steps"]
        _known(reply, _REPLY_KEYS)
    else:
        steps = [{key: value for key, value in reply.items() if key not in _REPLY_KEYS}]
    if not isinstance(steps, list) or not steps:
        raise ValueError("steps: a list with at least one step is expected")
    writer = _Writer(duration(reply.get("delay", 0)), model)
    for number, step in enumerate(steps, 1):
        try:
            writer.add(_mapping(step))
        except ValueError as error:
            raise ValueError(f"step {number}: {error}") from None
    return Reply(tuple(writer.finished()), duration(reply.get("close_after", 0)))


class _Writer:
    """Writes the steps of one reply, counting its parts."""

    def __init__(self, delay: float, model: str) -> None:
        self._delay = delay
        self._model = model
        self._steps: list[Step] = []
        self._part = -1
        self._kind = ""
        self._over = False
        self._actions: dict[str, Callable[[dict[str, Any], Any], Chunk | Rest | Repeat | BackendError | None]] = {
            "text": lambda step, text: TextDelta(self._place(step, "text"), _text(text)),
            "reasoning": lambda step, text: ReasoningDelta(self._place(step, "reasoning"), _text(text)),
            "rest": lambda step, text: Rest(self._place(step, "text"), _text(text)),
            "repeat": lambda step, count: Repeat(self._place(step, "text"), _count(count)),
            "refusal": lambda step, text: WholePart(self._place(step, ""), Part(Refusal(_text(text)))),
            "tool_call": lambda _, call: self._tool_call(_mapping(call)),
            "vectors": lambda _, rows: Vectors(tuple(_vector(row) for row in _list(rows))),
            "usage": lambda _, usage: UsageReport(_usage(_mapping(usage))),
            "finish": lambda step, reason: End(_word(FinishReason, reason), _text(step.get("stop_sequence", ""))),
            "fail": _failure,
            "hang": lambda *_: None,
        }

    def add(self, step: dict[str, Any]) -> None:
        """Write one step.  Raises ValueError when it is none, or comes after the end."""
        _known(step, _STEP_KEYS | self._actions.keys() | {"cut"})
        wanted = [key for key in step if key in self._actions or key == "cut"]
        if len(wanted) != 1:
            raise ValueError(f"one of {', '.join(self._actions)}, cut is expected")
        if self._over:
            raise ValueError("nothing can follow the end of a reply")
        action = wanted[0]
        self._over = action in {"finish", "fail", "hang", "cut"}
        wait = duration(step.get("after", 0))
        if not self._steps and action not in {"fail", "hang"}:
            self._steps.append((self._delay, Opened(self._model)))
            self._delay = 0.0
        if action != "cut":
            self._steps.append((self._delay + wait, self._actions[action](step, step[action])))
            self._delay = 0.0

    def finished(self) -> list[Step]:
        """Return the steps, with a clean end if the script names none."""
        return self._steps if self._over else [*self._steps, (0.0, End(FinishReason.STOP))]

    def _place(self, step: Mapping[str, Any], kind: str) -> int:
        """Return the part that a step adds to: the one it names, the one before it if of its kind, or a new one."""
        if "part" in step:
            place = _count(step["part"])
            self._part = max(self._part, place)
            self._kind = ""
            return place
        if not kind or kind != self._kind:
            self._part += 1
        self._kind = kind
        return self._part

    def _tool_call(self, call: dict[str, Any]) -> ToolCallDelta:
        _known(call, {"id", "name", "arguments", "part"})
        arguments = call.get("arguments", "")
        text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
        return ToolCallDelta(self._place(call, ""), _text(call.get("id", "")), _text(call.get("name", "")), text)


def _failure(step: dict[str, Any], word: Any) -> BackendError:
    return BackendError(
        _word(Failure, word),
        "scripted",
        http_status=_count(step["http_status"]) if "http_status" in step else None,
        retry_after=duration(step["retry_after"]) if "retry_after" in step else None,
    )


def _usage(given: dict[str, Any]) -> Usage:
    _known(given, frozenset(_USAGE_KEYS))
    counts = {_USAGE_KEYS[key]: _count(value) for key, value in given.items()}
    return replace(Usage(), **counts)  # type: ignore[arg-type]  # the keys are those of numbers


def duration(given: Any) -> float:
    """Return a duration in seconds: `300ms`, `2s`, `1m` or a number.  Raises ValueError for anything else."""
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < math.inf:
        return float(given)
    match = _DURATION.fullmatch(given) if isinstance(given, str) else None
    if match is None:
        raise ValueError(f"{given!r} is no duration; write 300ms, 2s or 1m")
    return float(match[1]) * _UNITS[match[2]]


def _word(kind: Any, word: Any) -> Any:
    """Return the member of an enumeration that *word* names."""
    try:
        return kind(word)
    except ValueError:
        raise ValueError(f"{word!r} is none of {', '.join(member.value for member in kind)}") from None


def _mapping(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise ValueError(f"a mapping is expected, not {given!r}")  # noqa: TRY004 - a problem to be listed, not a bug
    return dict(given)


def _known(given: Mapping[str, Any], keys: frozenset[str] | set[str]) -> None:
    for key in given:
        if key not in keys:
            raise ValueError(f"unknown key {key!r}; known are {', '.join(sorted(keys))}")


def _vector(given: Any) -> Vector:
    numbers = [float(each) for each in _list(given) if isinstance(each, int | float) and not isinstance(each, bool)]
    if not numbers or len(numbers) < len(given):
        raise ValueError(f"a vector is a list of numbers, not {given!r}")
    return Vector(numbers)


def _list(given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise ValueError(f"a list is expected, not {given!r}")  # noqa: TRY004 - a problem to be listed, not a bug
    return given


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise ValueError(f"text is expected, not {given!r}")  # noqa: TRY004 - a problem to be listed, not a bug
    return given


def _count(given: Any) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise ValueError(f"a number from 0 up is expected, not {given!r}")
    return given
