"""The cases: read from YAML, and each as the line that a program gets."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from ruamel.yaml import YAML

from quickthorn import messages
from quickthorn.v1.failure_pb2 import Reason
from tests.support.contract import messages as message_types
from tests.support.full_request import full_request

FOLDER = Path(__file__).parent
GOLDEN = FOLDER.parent / "golden"

_REQUESTS: Mapping[str, type[Message]] = {
    "complete": messages.CompletionRequest,
    "stream": messages.CompletionRequest,
    "explain": messages.CompletionRequest,
    "embed": messages.EmbedRequest,
    "list_routes": messages.ListRoutesRequest,
}
_CODES: Mapping[str, str] = {
    "INVALID_REQUEST": "INVALID_ARGUMENT",
    "REJECTED": "INVALID_ARGUMENT",
    "CONTENT_FILTERED": "INVALID_ARGUMENT",
    "UNKNOWN_ROUTE": "NOT_FOUND",
    "CALLER_UNKNOWN": "UNAUTHENTICATED",
    "ROUTE_FORBIDDEN": "PERMISSION_DENIED",
    "NO_ELIGIBLE_BACKEND": "FAILED_PRECONDITION",
    "CONTEXT_TOO_LONG": "FAILED_PRECONDITION",
    "BACKEND_MISCONFIGURED": "FAILED_PRECONDITION",
    "RATE_LIMITED": "RESOURCE_EXHAUSTED",
    "OVERLOADED": "RESOURCE_EXHAUSTED",
    "FIRST_TOKEN_TIMEOUT": "DEADLINE_EXCEEDED",
    "DEADLINE": "DEADLINE_EXCEEDED",
    "INTERNAL": "INTERNAL",
}
"""The status of each reason, as README tells it; UNAVAILABLE for the rest."""

_KEYS = frozenset(
    [
        *("name", "call", "server", "route", "request", "ask_bytes", "golden_request", "raw", "times", "timeout_ms"),
        *("metadata", "cancel_after_events", "cancel_after_ms", "pause_ms", "api_key", "tls", "scheme", "target"),
        *("fake", "drain_after_ms", "expect"),
    ]
)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing a client must get right; *expect* in the words of `judge`."""

    name: str
    call: str
    expect: Mapping[str, Any]
    server: str = "estate"
    given: Mapping[str, Any] = field(default_factory=dict)
    message: Message | None = None
    golden: bytes = b""

    def lines(self, target: str, tls: Mapping[str, str] | None, keys: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield what the program gets, once for each time the case asks; the last result counts."""
        line: dict[str, Any] = {"id": self.name, "call": self.call}
        if self.call == "decode":
            yield line | {"type": self.given["type"], "data": _text(self.golden)}
            return
        line["target"] = self.given.get("target", target)
        if tls is not None:
            line["tls"] = dict(tls)
        if "api_key" in self.given:
            line["api_key"] = keys.get(self.given["api_key"], self.given["api_key"])
        for key in ("timeout_ms", "metadata", "cancel_after_events", "cancel_after_ms", "pause_ms"):
            if key in self.given:
                line[key] = self.given[key]
        line["request"] = _text(self.message.SerializeToString() if self.message is not None else b"")
        for _ in range(self.given.get("times", 1)):
            yield line


def cases() -> list[Case]:
    """Return all cases: those of the files, then one for every golden encoding.  Raises ValueError for a wrong file."""
    found = [_case(given) for path in sorted((FOLDER / "cases").glob("*.yaml")) for given in _yaml(path)]
    names = [case.name for case in found]
    if len(set(names)) < len(names):
        raise ValueError(f"names given twice: {sorted({name for name in names if names.count(name) > 1})}")
    return [*found, *map(_reason, enumerate(_reasons())), *map(_decoding, sorted(GOLDEN.glob("*.binpb")))]


def _reasons() -> list[str]:
    """Return every reason of the contract."""
    names = (value.name.removeprefix("REASON_") for value in Reason.DESCRIPTOR.values)
    return [name for name in names if name != "UNSPECIFIED"]


def _reason(numbered: tuple[int, str]) -> Case:
    """Return the case of a failure with all its details; whole answers and streams by turns."""
    number, name = numbered
    code = _CODES.get(name, "UNAVAILABLE")
    return _case(
        {
            "name": f"reason-{name.lower().replace('_', '-')}",
            "call": ("complete", "stream")[number % 2],
            "server": "fake",
            "fake": {"reason": name, "code": code},
            "expect": {
                "code": code,
                "reason": name,
                "lanes": 2,
                "fields": ["sampling.top_p"],
                "retry_delay_ms": [3250, 3250],
                "error_request_id": "request-7",
                "message_has": "in so many words",
            },
        }
    )


def _yaml(path: Path) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = YAML(typ="safe").load(path.read_text("utf-8"))
    return read


def _case(given: dict[str, Any]) -> Case:
    unknown = given.keys() - _KEYS
    if unknown:
        raise ValueError(f"{given.get('name')}: unknown keys {sorted(unknown)}")
    return Case(
        name=given["name"],
        call=given["call"],
        expect=given["expect"],
        server=given.get("server", "estate"),
        given=given,
        message=_request(given),
    )


def _request(given: dict[str, Any]) -> Message:
    if given.get("golden_request"):
        request = full_request()
        request.route = "default"
        return request
    body: dict[str, Any] = dict(given.get("request", {}))
    if given["call"] in {"complete", "stream", "explain"} and not given.get("raw"):
        text = "x" * given["ask_bytes"] if "ask_bytes" in given else "hi"
        body.setdefault("messages", [{"role": "ROLE_USER", "parts": [{"text": text}]}])
        body.setdefault("route", given.get("route", ""))
    if "fake" in given:
        body["labels"] = {key: str(value) for key, value in given["fake"].items()}
    return ParseDict(body, _REQUESTS[given["call"]]())


def _decoding(path: Path) -> Case:
    kind = path.name.split(".")[0]
    data = path.read_bytes()
    given = {"type": f"quickthorn.v1.{kind}"}
    message = message_types()[kind].FromString(data)
    return Case(f"decode-{path.stem}", "decode", {"same": True}, "", given, message, data)


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
