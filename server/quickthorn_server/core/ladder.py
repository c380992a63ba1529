"""The degradation ladder: how far an answer may fall, what is said at its foot, and which human hears of it."""

from __future__ import annotations

from dataclasses import dataclass

from quickthorn_server.core.secret import Secret
from quickthorn_server.core.word import Word


class Rung(Word):
    """What answers where the first choice does not, highest first.

    SAME_MODEL: another backend with the same model.  LOWER_TIER: another model, or a lower tier.  CACHED: an earlier
    answer; no cache exists yet, so it is passed over.  CANNED: a text that the operator has written.
    """

    SAME_MODEL = "same_model"
    LOWER_TIER = "lower_tier"
    CACHED = "cached"
    CANNED = "canned"


class After(Word):
    """When a human is told: EXHAUSTED where nobody could answer, CANNED only where the canned text stood in."""

    EXHAUSTED = "exhausted"
    CANNED = "canned"


@dataclass(frozen=True, slots=True)
class EscalateRule:
    """Tell a human by POST to *webhook*, an address that may be a secret; *api_key* is sent as a bearer token."""

    webhook: Secret
    api_key: Secret | None = None
    after: After = After.EXHAUSTED


@dataclass(frozen=True, slots=True)
class Ladder:
    """A route's ladder: no rung below *stop_at* answers.  *canned* "" = there is no such text."""

    stop_at: Rung = Rung.LOWER_TIER
    canned: str = ""
    escalate: EscalateRule | None = None
