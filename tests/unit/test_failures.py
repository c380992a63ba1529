"""The failure table: total, consistent, and what HTTP statuses mean in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from quickthorn_server.core.failures import MEANING, BackendError, Failure, Reason, of_status
from tests.support.contract import files

TRACE_PROTO = Path(__file__).resolve().parents[2] / "proto" / "quickthorn" / "v1" / "trace.proto"


@pytest.mark.parametrize("failure", Failure)
def test_every_failure_has_a_meaning(failure: Failure) -> None:
    """The table is total: nothing that can go wrong is undecided."""
    assert failure in MEANING


def test_the_table_knows_nothing_else() -> None:
    """One line per failure, no more."""
    assert set(MEANING) == set(Failure)


@pytest.mark.parametrize("failure", Failure)
def test_meanings_are_consistent(failure: Failure) -> None:
    """What ends the search asks nobody again; what blames a backend blames nothing on the request."""
    meaning = MEANING[failure]
    assert not (meaning.terminal and meaning.again)
    assert not (meaning.terminal and meaning.blame)
    assert not (meaning.terminal and meaning.unanimous)
    assert not (meaning.unanimous and meaning.alone is Reason.ALL_FAILED)
    assert not (meaning.blame and meaning.alone is not Reason.ALL_FAILED)


def test_only_the_backend_is_blamed_for_its_own_faults() -> None:
    """400, 401, 403, 404, 413, 429, quotas, filters and our own bugs leave the circuit alone."""
    blamed = {failure for failure, meaning in MEANING.items() if meaning.blame}
    assert blamed == {
        Failure.OVERLOADED,
        Failure.UNAVAILABLE,
        Failure.CONNECT,
        Failure.LOST,
        Failure.TIMEOUT,
        Failure.PROTOCOL,
    }


def test_only_a_bad_request_ends_the_search() -> None:
    """Every other failure may be another backend's success."""
    assert {failure for failure, meaning in MEANING.items() if meaning.terminal} == {Failure.INVALID}


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (400, Failure.INVALID),
        (401, Failure.UNAUTHENTICATED),
        (402, Failure.QUOTA_EXHAUSTED),
        (403, Failure.FORBIDDEN),
        (404, Failure.NOT_FOUND),
        (408, Failure.TIMEOUT),
        (413, Failure.TOO_LARGE),
        (422, Failure.INVALID),
        (429, Failure.RATE_LIMITED),
        (499, Failure.INVALID),
        (500, Failure.UNAVAILABLE),
        (502, Failure.UNAVAILABLE),
        (503, Failure.OVERLOADED),
        (504, Failure.UNAVAILABLE),
        (529, Failure.OVERLOADED),
        (599, Failure.UNAVAILABLE),
        (301, Failure.PROTOCOL),
        (101, Failure.PROTOCOL),
        (0, Failure.PROTOCOL),
    ],
)
def test_a_status_says_what_went_wrong(status: int, failure: Failure) -> None:
    """The status decides where the body says nothing better; what no API answers is a breach of the format."""
    assert of_status(status) is failure


def test_every_status_is_some_failure() -> None:
    """Whatever number a provider answers, the lane fails in a known way; what starts with 5 is the provider's fault."""
    assert all(isinstance(of_status(status), Failure) for status in range(-1, 1000))
    assert all(MEANING[of_status(status)].blame for status in range(500, 600))


def test_a_failure_without_words_names_its_kind() -> None:
    """The text of an error is ours, and never empty."""
    assert str(BackendError(Failure.LOST)) == "lost"
    assert str(BackendError(Failure.LOST, "the stream was reset")) == "the stream was reset"


def test_reasons_are_those_of_the_contract() -> None:
    """Clients read reasons by name: the enum in the contract and ours are the same list."""
    declared = files()["failure_pb2"].enum_types_by_name["Reason"].values
    names = {value.name.removeprefix("REASON_") for value in declared if value.number}
    assert names == {reason.value for reason in Reason}


def test_failure_words_are_those_of_the_contract() -> None:
    """Attempt.failure names a closed list for this version, and it is this enum's."""
    comment = " ".join(TRACE_PROTO.read_text().replace("//", " ").split())
    words = comment.partition("Why, as one word:")[2].partition(". Empty unless")[0]
    listed = {word.strip() for word in words.replace(" or ", ", ").split(",")}
    assert listed == {failure.value for failure in Failure}
