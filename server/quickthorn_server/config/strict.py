"""What all parts of the configuration have in common: no unknown key, no converted type, no empty value."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from quickthorn_server.config.kinds import refuse


class Strict(BaseModel):
    """A mapping of known keys.  The text below a key is its description in the JSON Schema."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        # `hedge:` with nothing below is a slip as often as a wish for the default, so neither is guessed.
        if value is None:
            refuse("this key has no value", "give it one, or remove the key")
        return value

    def given(self) -> dict[str, Any]:
        """Return the keys that were written, with their values."""
        return {key: getattr(self, key) for key in self.model_fields_set}
