"""How another backend is asked to go on with an answer that broke.  Pure."""

from __future__ import annotations

from dataclasses import replace

from quickthorn_server.core.catalogue import Backend, OnBreak
from quickthorn_server.core.content import Message, Part, Role, Text
from quickthorn_server.core.json_asked import asks_for_json, wants_json
from quickthorn_server.core.plan import Plan
from quickthorn_server.core.prompt import Prompt, ReasoningEffort
from quickthorn_server.core.provider import AnyPrompt
from quickthorn_server.core.seam import Method
from quickthorn_server.core.sizes import utf8_size
from quickthorn_server.core.value import value

ANCHOR = 64
"""Characters to be repeated: enough to be no accident, few enough to be copied without a fault."""

_BYTES_PER_TOKEN = 4  # as inputs are estimated
_ASKING = 128  # tokens of the instruction and what surrounds it
_NO_THINKING = {None, ReasoningEffort.NONE}


@value
class Asked:
    """What the next backend is sent, and what its answer should begin with for *method* to be exact."""

    prompt: Prompt
    method: Method
    expected: str


def against(plan: Plan, prompt: AnyPrompt) -> str:
    """Return why no answer to *prompt* is continued, however it breaks; "" = one may be."""
    if not isinstance(prompt, Prompt):
        return "vectors come whole"
    if wants_json(prompt) or any(asks_for_json(backend.params) for backend in plan.order):
        return "it was to be JSON"  # of which half is nobody's beginning, and a doubled brace ruins all
    if plan.outline is not None and plan.outline.provider_tools:
        return "the provider executes tools"
    return "" if plan.failover else "the call may not fail over"


def said(plan: Plan, prompt: AnyPrompt) -> list[str]:
    """Say for people by whom, and how, a stream would be continued that broke; [] = nobody wants that."""
    if plan.on_break is OnBreak.FAIL:
        return []
    why = against(plan, prompt)
    if why or not isinstance(prompt, Prompt):
        return [f"a stream that breaks is not continued: {why}"]
    ways = {True: "by prefill", False: "by an anchor"}
    able = [f"{backend.name} {ways[_may_begin(prompt, backend)]}" for backend in plan.order]
    return [f"a stream that breaks is continued: {', '.join(able)}"]


def asked(prompt: Prompt, text: str, written: int | None, backend: Backend) -> Asked:
    """Return how *backend* is asked to go on behind *text*, for which *written* tokens were spent, None = unknown.

    A backend with the capability `prefill` gets the text as the beginning of its own turn, without the white space at
    its end, which providers refuse there, and which it may say again.  Any other is asked to begin with a copy of the
    text's last 64 characters.  Where nothing but white space was written both are simply asked anew.
    """
    body = text.rstrip()
    if _may_begin(prompt, backend):
        whole = _answered(prompt, body, prefill=True) if body else prompt
        return Asked(_limited(whole, written, 0), Method.PREFILL, text[len(body) :])
    anchor = text[-ANCHOR:] if body else text
    whole = _instructed(_answered(prompt, text), anchor) if body else prompt
    return Asked(_limited(whole, written, ANCHOR), Method.ANCHOR, anchor)


def more_input(text: str) -> int:
    """Return about how many tokens of input the *text* so far adds."""
    return -(-utf8_size(text) // _BYTES_PER_TOKEN) + _ASKING


def _may_begin(prompt: Prompt, backend: Backend) -> bool:
    """Whether *backend*'s turn may be begun for it: not where it is to think, for then a turn begins with thinking."""
    if "prefill" not in backend.capabilities:
        return False
    return prompt.reasoning.effort in _NO_THINKING and not prompt.reasoning.budget_tokens


def _answered(prompt: Prompt, text: str, *, prefill: bool = False) -> Prompt:
    """Return *prompt* with the answer so far as the assistant's last turn, or the end of it if there is one."""
    *before, last = prompt.messages
    if last.role is not Role.ASSISTANT:
        before, last = [*before, last], Message(Role.ASSISTANT, ())
    turn = Message(Role.ASSISTANT, _joined(last.parts, text))
    return replace(prompt, messages=(*before, turn), prefill=prefill)


def _joined(begun: tuple[Part, ...], text: str) -> tuple[Part, ...]:
    """Return *begun* with *text* behind it, in one part with a text that it ends in: some would put a line between."""
    if begun and isinstance(end := begun[-1].kind, Text) and begun[-1] == Part(end):
        return (*begun[:-1], Part(Text(end.text + text)))
    return (*begun, Part(Text(text)))


def _instructed(prompt: Prompt, anchor: str) -> Prompt:
    request = (
        "Your last message was cut off by a technical fault. Write on from exactly where it stops; what you write is "
        "put behind it. Begin by repeating the last "
        f"{len(anchor)} characters of that message verbatim, white space, line breaks and markup included, and then go "
        "on at once, in the middle of a word if that is where it stops. No greeting, no comment, no quotation marks, "
        "no new code fence, and nothing before those characters. They are, between the two tags:\n"
        f"<repeat>{anchor}</repeat>"
    )
    return replace(prompt, messages=(*prompt.messages, Message(Role.USER, (Part(Text(request)),))))


def _limited(prompt: Prompt, written: int | None, again: int) -> Prompt:
    """Return *prompt* with what is left of its limit of output tokens, and room to repeat *again* of them."""
    limit = prompt.sampling.max_output_tokens
    if limit is None or written is None:
        return prompt
    return replace(prompt, sampling=replace(prompt.sampling, max_output_tokens=max(1, limit - written) + again))
