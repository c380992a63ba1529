"""What one backend that speaks generateContent is: its provider's name, its model's age, how it is told to think."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from quickthorn_server.core.prompt import ReasoningEffort, ReasoningOptions

_VERSION = re.compile(r"gemini-(\d{1,3})(?:\.(\d{1,3}))?")
_NEWEST, _NO_GEMINI = (999, 0), (0, 0)
_BUDGETS, _LEVELS = (2, 5), (3, 0)

_MOST = {"flash": 24576, "pro": 32768}
_LEAST_OF_PRO = 128
_BUDGET = {
    ReasoningEffort.NONE: 0,
    ReasoningEffort.MINIMAL: 1024,
    ReasoningEffort.LOW: 1024,
    ReasoningEffort.MEDIUM: 8192,
    ReasoningEffort.HIGH: 24576,
}
_LEVEL = {
    ReasoningEffort.NONE: "minimal",
    ReasoningEffort.MINIMAL: "minimal",
    ReasoningEffort.LOW: "low",
    ReasoningEffort.MEDIUM: "medium",
    ReasoningEffort.HIGH: "high",
    ReasoningEffort.MAX: "high",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """*provider*: whose blocks and state these are.  *files*: where uploaded files are, "" = it keeps none.

    *validates*: whether it can hold calls of optional tools to their schemas.
    """

    provider: str
    model: str
    files: str = ""
    validates: bool = False

    @property
    def version(self) -> tuple[int, int]:
        """The model's generation; a name that tells none (`gemini-flash-latest`, a tuned one) counts as the newest."""
        if "gemma" in self.model:
            return _NO_GEMINI
        found = _VERSION.search(self.model)
        return (int(found[1]), int(found[2] or 0)) if found else _NEWEST

    @property
    def resource(self) -> str:
        """The model's name as a resource: `models/gemini-2.5-flash`, `tunedModels/mine`."""
        return self.model if "/" in self.model else f"models/{self.model}"

    @property
    def signs(self) -> bool:
        """Whether it refuses calls without a signature, and takes media inside tool results: both since Gemini 3."""
        return self.version >= _LEVELS

    def thinking(self, wanted: ReasoningOptions) -> dict[str, Any]:
        """Return the members of `thinkingConfig`; a budget says more than an effort, and both at once are refused."""
        config: dict[str, Any] = {}
        if wanted.budget_tokens is not None:
            config["thinkingBudget"] = wanted.budget_tokens
        elif wanted.effort is not None and self.version >= _LEVELS:
            config["thinkingLevel"] = self._level(wanted.effort)
        elif wanted.effort is not None:
            config["thinkingBudget"] = self._budget(wanted.effort)
        if wanted.show and self.version >= _BUDGETS:
            config["includeThoughts"] = True
        return config

    def _budget(self, effort: ReasoningEffort) -> int:
        """Return tokens as Google maps efforts itself (ai.google.dev, "OpenAI compatibility", Thinking).

        A Pro cannot be stopped from thinking (same page): it gets the smallest budget it takes ("Gemini thinking").
        """
        pro = "pro" in self.model
        if effort is ReasoningEffort.MAX:
            return _MOST["pro" if pro else "flash"]
        return max(_BUDGET[effort], _LEAST_OF_PRO if pro else 0)

    def _level(self, effort: ReasoningEffort) -> str:
        """Return the nearest level that the model has (ai.google.dev, "Gemini thinking", Thinking levels).

        Gemini 3 cannot be stopped from thinking; `minimal` is known to a few small models only, `medium` to all but
        the first Pro.
        """
        level = _LEVEL[effort]
        if level == "minimal" and not ("gemini-3-flash" in self.model or "flash-lite" in self.model):
            return "low"
        if level == "medium" and self.version == _LEVELS and "pro" in self.model:
            return "high"
        return level
