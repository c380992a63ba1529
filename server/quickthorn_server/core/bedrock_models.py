"""What the models on Bedrock take of its API, by family: Converse is one API, but they are not one model."""

from __future__ import annotations

from functools import lru_cache

from quickthorn_server.core import claude
from quickthorn_server.core.features import Feature

CLAUDE = "claude"

_SIGNS = (
    (CLAUDE, "claude"),
    (CLAUDE, "anthropic."),
    ("nova", "nova"),
    ("titan", "titan"),
    ("mistral", "mistral."),
    ("cohere", "cohere."),
)
_TOP_K = frozenset({CLAUDE, "nova", "mistral", "cohere"})


@lru_cache(maxsize=256)
def family(*names: str) -> str:
    """Return whose model it is that has these *names*, "" = nobody's in particular.

    An inference profile of one's own has an ARN that does not say; then another of its names may.
    """
    words = " ".join(names).lower()
    return next((name for name, sign in _SIGNS if sign in words), "")


def lacks(*names: str) -> frozenset[Feature]:
    """Return what Bedrock has a field or a way for and the model of these *names* does not take."""
    found = family(*names)
    if found == CLAUDE:
        return claude.lacks(" ".join(names))
    missing = {Feature.THINKING_BUDGET}
    if found not in _TOP_K:
        missing.add(Feature.TOP_K)
    if found == "titan" and "embed-image" not in " ".join(names):
        missing.add(Feature.IMAGE_INPUTS)
    return frozenset(missing)
