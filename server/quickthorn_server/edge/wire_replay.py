"""A recorded call planned again under another configuration, everything else being as it was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from google.protobuf import json_format

from quickthorn.v1 import backend_pb2, completion_pb2, embedding_pb2, record_pb2
from quickthorn_server.core.catalogue import Catalogue
from quickthorn_server.core.ends import CallError
from quickthorn_server.core.outline import Needs, Outline
from quickthorn_server.core.plan import Circuit, Drop, Knowledge
from quickthorn_server.core.request import Directives, Preferences, Request
from quickthorn_server.edge import wire_embed, wire_needs, wire_request
from quickthorn_server.edge.wire_content import seconds
from quickthorn_server.edge.wire_record import plan_json
from quickthorn_server.edge.wire_rehedge import hedge_facts
from quickthorn_server.routing import needs as routing_needs
from quickthorn_server.routing.router import Router

Json = dict[str, Any]

_CIRCUITS = {
    backend_pb2.CIRCUIT_STATE_OPEN: Circuit.OPEN,
    backend_pb2.CIRCUIT_STATE_HALF_OPEN: Circuit.HALF_OPEN,
}


class ReplayError(Exception):
    """A record cannot be planned again; the message says why, and quotes nothing of the record but names."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """*then* and *now* are RecordedPlans, *record* is the DecisionRecord without its plan and content: proto3 JSON.

    *assumed*: what the record did not say, in sentences.  *strategy*, *version*: the route's and the configuration's.
    """

    record: Json
    then: Json
    now: Json
    strategy: str
    version: str
    assumed: tuple[str, ...]


def replayed(line: bytes, catalogue: Catalogue) -> Replayed:
    """Return the plan that the record in *line* holds, and the plan that *catalogue* gives in its place.

    Needs, wishes, the wheel, circuits and recoveries are as recorded.  Raises ReplayError.
    """
    record, assumed = _read(line)
    if record.route not in catalogue.routes:
        known = ", ".join(catalogue.routes)
        raise ReplayError(f"the configuration has no route {record.route[:64]!r}; it has {known}")
    now = Router(catalogue).planned(_outline(record, assumed), _knowledge(record, catalogue, assumed), record.plan.turn)
    stream = record.rpc == record_pb2.RECORDED_RPC_STREAM_COMPLETE
    plan = json_format.ParseDict(plan_json(now, whole=now.whole and not stream), record_pb2.RecordedPlan())
    head = record_pb2.DecisionRecord()
    head.CopyFrom(record)
    for field in ("plan", "request_json", "answer_json"):
        head.ClearField(field)
    return Replayed(
        record=_json(head),
        then=_json(record.plan),
        now=_json(plan),
        strategy=now.route.strategy.word,
        version=catalogue.version,
        assumed=tuple(assumed),
    )


def _json(message: record_pb2.DecisionRecord | record_pb2.RecordedPlan) -> Json:
    return json_format.MessageToDict(message)


def _read(line: bytes) -> tuple[record_pb2.DecisionRecord, list[str]]:
    """Return the record, and what has to be said about reading it."""
    assumed: list[str] = []
    try:
        record = json_format.Parse(line, record_pb2.DecisionRecord())
    except (json_format.ParseError, UnicodeDecodeError, RecursionError):
        try:
            record = json_format.Parse(line, record_pb2.DecisionRecord(), ignore_unknown_fields=True)
        except (json_format.ParseError, UnicodeDecodeError, RecursionError):
            raise ReplayError("this is no decision record, or one that was cut") from None
        assumed.append("the record is of a later version: what this one does not know of it is left out")
    if not record.route or not record.plan.candidates:
        raise ReplayError("this is no decision record: it names no route, or no candidates")
    return record, assumed


def _outline(record: record_pb2.DecisionRecord, assumed: list[str]) -> Outline:
    """Return what was asked: as recorded, else read off the content, else as little as can be assumed."""
    if record.HasField("needs"):
        return wire_needs.outline(record)
    if record.HasField("request_json"):
        assumed.append("the record holds no needs: they are read off the request that it holds")
        return routing_needs.outline(_request(record))._replace(route=record.route)
    assumed.append("the record is of an earlier version, without needs or content: no more than text is assumed")
    embeds = record.rpc == record_pb2.RECORDED_RPC_EMBED
    tokens = record.plan.estimated_input_tokens
    capabilities, empty = frozenset({"embeddings" if embeds else "text"}), frozenset[str]()
    needs = Needs(capabilities, empty, empty, tokens, tokens, None, None, (), empty, frozenset())
    return Outline(record.route, needs, Directives(), Preferences(), embeds=embeds)


def _request(record: record_pb2.DecisionRecord) -> Request:
    try:
        if record.rpc == record_pb2.RECORDED_RPC_EMBED:
            embedding = json_format.Parse(record.request_json, embedding_pb2.EmbedRequest(), ignore_unknown_fields=True)
            return wire_embed.request(embedding, record.request_id)
        completion = completion_pb2.CompletionRequest()
        json_format.Parse(record.request_json, completion, ignore_unknown_fields=True)
        return wire_request.request(completion, record.request_id)
    except (json_format.ParseError, CallError):
        raise ReplayError("the request in the record cannot be read") from None


def _knowledge(record: record_pb2.DecisionRecord, catalogue: Catalogue, assumed: list[str]) -> Knowledge:
    """Return what was known of the backends, as far as the record tells."""
    everybody = record.plan.candidates
    known = Knowledge(
        circuits={each.backend: _CIRCUITS[each.circuit] for each in everybody if each.circuit in _CIRCUITS},
        keys_refused=frozenset(each.backend for each in everybody if each.reason == Drop.KEY_REFUSED.word),
        ejected={each.backend: each.hope for each in everybody if each.HasField("hope")},
        ramps={each.backend: each.slow_start for each in everybody if each.HasField("slow_start")},
    )
    rule = catalogue.routes[record.route].hedge
    if rule is None:
        return known
    known = replace(known, hedging=hedge_facts(record, rule))
    hedge = record.plan.hedge
    if rule.target is not None and rule.aim != hedge.target:
        assumed.append("the record does not hold what was learned for the percentile that the route now holds")
    if rule.percentile is None:
        return known
    if hedge.HasField("delay") and hedge.target == rule.aim:
        every = {(each.backend, rule.percentile): seconds(hedge.delay) for each in everybody}
        return replace(known, first_content=every)
    assumed.append("the record does not hold the percentile that the route's hedging now asks for")
    return known
