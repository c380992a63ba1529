"""Bearer keys."""

from __future__ import annotations

import hmac

import pytest

from quickthorn_server.core.catalogue import Caller
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.failures import Reason
from quickthorn_server.core.secret import Secret
from quickthorn_server.edge import callers as module
from quickthorn_server.edge.callers import Callers

ANNA, BERT = Caller("anna", Secret("key-a")), Caller("bert", Secret("ключ"))
KNOWN = Callers([ANNA, BERT])


def bearer(value: str | bytes) -> list[tuple[str, str | bytes]]:
    """Return metadata with *value* as its authorization."""
    return [("user-agent", "test"), ("authorization", value)]


@pytest.mark.parametrize("value", ["Bearer key-a", "bearer key-a", "BEARER   key-a "])
def test_a_known_key_names_its_caller(value: str) -> None:
    """The scheme's case does not matter (RFC 9110, 11.1)."""
    assert KNOWN(bearer(value)) is ANNA


def test_keys_need_not_be_ascii() -> None:
    """A key is text; nothing raises over its letters."""
    assert KNOWN(bearer("Bearer ключ")) is BERT
    with pytest.raises(CallError):
        KNOWN(bearer("Bearer \udcff"))


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        bearer(""),
        bearer("key-a"),
        bearer("Bearer"),
        bearer("Bearer "),
        bearer("Basic key-a"),
        bearer("Bearer key-b"),
        bearer("Bearer key-aa"),
        bearer(b"Bearer key-a"),
        bearer("Bearer key-a") * 2,
    ],
)
def test_anybody_else_is_unknown(metadata: list[tuple[str, str | bytes]]) -> None:
    """No key, a wrong one, another scheme or two keys at once: CALLER_UNKNOWN, without the key in the text."""
    with pytest.raises(CallError) as caught:
        KNOWN(metadata)
    assert caught.value.reason is Reason.CALLER_UNKNOWN
    assert "key-" not in caught.value.message


def test_without_callers_nobody_is_asked() -> None:
    """An open server takes every call."""
    assert Callers([])(bearer("Bearer whatever")) is None


def test_every_known_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All keys are compared, also after a match, over digests of one length."""
    lengths = []

    def compare(a: bytes, b: bytes) -> bool:
        lengths.append((len(a), len(b)))
        return hmac.compare_digest(a, b)

    monkeypatch.setattr(module, "hmac", type("hmac", (), {"compare_digest": staticmethod(compare)}))
    assert KNOWN(bearer("Bearer key-a")) is ANNA
    assert lengths == [(32, 32), (32, 32)]
