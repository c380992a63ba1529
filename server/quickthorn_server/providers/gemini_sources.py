"""What an answer says of its sources: citations of its text, and the whole of it as blocks.  Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import orjson

from quickthorn_server.core.content import Citation, ProviderBlock
from quickthorn_server.providers.gemini_content import SOURCES
from quickthorn_server.providers.json_text import elements, members
from quickthorn_server.providers.usage import count

NAMES = ("citationMetadata", *SOURCES)
_LISTS = ("citations", "citationSources")  # as Vertex AI calls it, and as the Gemini API does


class Sources:
    """Collects the metadata of one answer; in a stream, the last value of each member counts."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._told: dict[str, dict[str, str]] = {}
        self._texts: dict[str, str] = {}
        self._cited: list[str] = []

    def take(self, name: str, text: str) -> None:
        """Take in one of NAMES as it stands in the answer.  Raises ValueError when it is no JSON object."""
        given = members(text)
        if name == "citationMetadata":
            cited = [one for each in _LISTS if each in given for one in elements(given[each])]
            self._cited += (one for one in cited if one not in self._cited)
            return
        known = self._told.setdefault(name, {})
        self._texts[name] = text if not known or known.keys() <= given.keys() else ""
        known |= given

    @property
    def searches(self) -> int:
        """How many questions were asked of a search engine."""
        told = self._told.get("groundingMetadata", {})
        return sum(bool(question) for question in orjson.loads(told.get("webSearchQueries") or "[]"))

    def blocks(self) -> Iterator[ProviderBlock]:
        """Yield everything that was told, byte for byte."""
        for name, told in self._told.items():
            whole = ",".join(f"{orjson.dumps(member).decode()}:{value}" for member, value in told.items())
            yield ProviderBlock(self._provider, name, self._texts[name] or f"{{{whole}}}")

    def citations(self, texts: Mapping[Hashable, str]) -> Iterator[tuple[Hashable, Citation]]:
        """Yield the citations and the parts they belong to, *texts* by their keys in order."""
        if not texts:
            return
        places = _Places(texts)
        for text in self._cited:
            source = orjson.loads(text)
            yield _cited(places.of(source), source, text)
        yield from self._grounded(places)

    def _grounded(self, places: _Places) -> Iterator[tuple[Hashable, Citation]]:
        told = self._told.get("groundingMetadata", {})
        chunks = elements(told.get("groundingChunks") or "[]")
        supports = elements(told.get("groundingSupports") or "[]")
        for text in supports:
            support = orjson.loads(text)
            place = places.of(support.get("segment") or {})
            for index in support.get("groundingChunkIndices") or ():
                if 0 <= index < len(chunks):
                    yield _cited(place, _source(chunks[index]), text)
        for text in () if supports else chunks:
            yield _cited((places.last, None, None), _source(text), text)


class _Places:
    """Where in which part a stretch of the answer is."""

    def __init__(self, texts: Mapping[Hashable, str]) -> None:
        self._texts = {key: text.encode() for key, text in texts.items()}
        self._all = b"".join(self._texts.values())
        self.last = next(reversed(self._texts))

    def of(self, segment: dict[str, Any]) -> tuple[Hashable, int | None, int | None]:
        """Return the part and the bytes in it.

        Google counts bytes (ai.google.dev, "Generating content", Segment and CitationSource), in a stream from the
        beginning of the whole answer.  Where the words it quotes do not stand there, they are looked for.
        """
        start, end = count(segment, "startIndex") or 0, count(segment, "endIndex")
        words = str(segment.get("text") or "").encode()
        if end is None or end <= start or (words and self._all[start:end] != words):
            start = self._all.find(words) if words else -1
            end = start + len(words)
        before = 0
        for key, text in self._texts.items():
            if 0 <= start - before < len(text):
                return key, start - before, min(end - before, len(text))
            before += len(text)
        return self.last, None, None


def _source(chunk: str) -> dict[str, Any]:
    """Return what a grounding chunk is: `web`, `retrievedContext`, `maps` ..., whichever one it has."""
    kinds = orjson.loads(chunk).values()
    return next((kind for kind in kinds if isinstance(kind, dict)), {})


def _cited(
    place: tuple[Hashable, int | None, int | None], source: dict[str, Any], text: str
) -> tuple[Hashable, Citation]:
    key, start, end = place
    said = {name: str(source.get(name) or "") for name in ("uri", "title", "text")}
    return key, Citation(said["uri"], said["title"], said["text"], start, end, text)
