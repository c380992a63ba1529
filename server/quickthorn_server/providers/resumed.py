"""What a scripted backend says where another answer left off: it depends on what it is asked.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

from quickthorn_server.core.content import Role, Text
from quickthorn_server.core.prompt import Prompt
from quickthorn_server.core.provider import AnyPrompt


@dataclass(frozen=True, slots=True)
class Rest:
    """Say *text*, less the assistant's last turn if it begins with that."""

    part: int
    text: str

    def said(self, prompt: AnyPrompt) -> str:
        """Return what is said to *prompt*."""
        return self.text.removeprefix(begun(prompt))


@dataclass(frozen=True, slots=True)
class Repeat:
    """Say the last *characters* of the assistant's last turn."""

    part: int
    characters: int

    def said(self, prompt: AnyPrompt) -> str:
        """Return what is said to *prompt*."""
        text = begun(prompt)
        return text[max(0, len(text) - self.characters) :]


def begun(prompt: AnyPrompt) -> str:
    """Return the text of the assistant's last turn."""
    messages = prompt.messages if isinstance(prompt, Prompt) else ()
    turn = next((each for each in reversed(messages) if each.role is Role.ASSISTANT), None)
    return "".join(part.kind.text for part in turn.parts if isinstance(part.kind, Text)) if turn else ""
