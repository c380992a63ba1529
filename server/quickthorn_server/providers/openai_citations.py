"""Sources of an answer, as OpenAI-shaped servers name them.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from quickthorn_server.core.content import Citation


def cited(annotation: dict[str, Any], text: str) -> Citation:
    """Return one annotation of *text*, whose places are counted in characters there and in bytes here.

    Chat completions put the source under the annotation's type, the Responses API beside it.
    """
    source = annotation.get(annotation["type"])
    if not isinstance(source, dict):
        source = annotation
    start, end = _bytes(source.get("start_index"), source.get("end_index"), text)
    return Citation(
        uri=str(source.get("url") or ""),
        title=str(source.get("title") or source.get("filename") or ""),
        cited_text=str(source.get("content") or ""),
        start=start,
        end=end,
        provider_json=orjson.dumps(annotation).decode(),
    )


def found(results: Iterable[dict[str, Any]], addresses: Iterable[str]) -> tuple[Citation, ...]:
    """Return what was searched, in its order: the text's own [1], [2] ... count it."""
    told = [
        Citation(
            uri=str(result.get("url") or ""),
            title=str(result.get("title") or ""),
            cited_text=str(result.get("snippet") or ""),
            provider_json=orjson.dumps(result).decode(),
        )
        for result in results
    ]
    known = {citation.uri for citation in told}
    return (*told, *(Citation(uri=str(address)) for address in addresses if address not in known))


def _bytes(start: object, end: object, text: str) -> tuple[int | None, int | None]:
    """Return character offsets as byte offsets; None where they name no place in *text*."""
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= len(text):
        return None, None
    before = len(text[:start].encode())
    return before, before + len(text[start:end].encode())
