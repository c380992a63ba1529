"""What a configuration that can be used comes to."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from quickthorn_server.config import default_catalogue, load, parse, starter
from quickthorn_server.core.catalogue import (
    Backend,
    BreakerRule,
    Cancelled,
    Catalogue,
    Entry,
    HedgeRule,
    HedgeTo,
    Limits,
    OnBreak,
    RecordRule,
    RetryRule,
    ServerRule,
    SlowStart,
    Strategy,
    Timeouts,
    Upstream,
)
from quickthorn_server.core.classes import FailureClass
from quickthorn_server.core.dialects import AZURE, COMPATIBLE, DIALECTS, OPENAI, RESPONSES
from quickthorn_server.core.features import Feature
from quickthorn_server.core.health import CheckMethod, CheckRule
from quickthorn_server.core.ladder import After, EscalateRule, Ladder, Rung
from quickthorn_server.core.secret import Secret
from quickthorn_server.core.usage import Price, Tier

EXAMPLE = Path(__file__).parents[2] / "examples" / "quickthorn.yaml"

WHOLE = """
server:
  {listen: "[::1]:0", max_in_flight: 7, max_wait: 50ms, write_stall: 4s, heartbeat: 2s, drain: {quiet: 0s, grace: 1.5m}}
records: {file: logs/d.jsonl, max_size: 2GiB, keep: 0, content: true}
backends:
  - name: fast
    provider: openai
    model: gpt-5-mini
    model_id: mini
    base_url: https://api.example.com/v1/
    path: /deployments/mini?version=3
    headers: {x-team: blue}
    api_key_env: KEY
    price: {input: 0.25, output: 2.00, cache_read: 0.025, cache_write: 0, units: {web_search: 0.01}}
    context_window: 400000
    capabilities: [text, vision]
    regions: [us]
    data_policies: [zdr, no_training]
    failure_domain: example
    params: {temperature: 0.2, seed: 7, stop: [on, ~, 2027-01-01], logit_bias: {50256: -100}}
    retires: 2027-03-01
    timeouts: {connect: 250ms, first_token: 2s, idle: 1.5s, total: 1m}
    breaker:
      {window: 30s, min_calls: 20, failure_rate: 7%, consecutive: 2, slow_first_token: 1.5s, slow_rate: 62.5%,
       open: 10s, probes: 3, successes: 4}
    slow_start: {window: 1m, aggression: 1.5, min_weight: 25%}
    limits: {in_flight: 200, rpm: 5000, tpm: 2000000}
    health:
      active: {method: completion, interval: 1m, timeout: 3s, unhealthy: 2, healthy: 4, max_cost_per_day: 0.02}
    cancelled: full
  - {name: steady, provider: scripted, script: [{text: hi, after: 0.5}], data_policies: [zdr, no_training]}
  - {name: last, provider: local, data_policies: [no_training, zdr]}
routes:
  - name: default
    backends: [fast, {backend: steady, weight: 2, group: 1}, {backend: last, tier: low, fallback_on: [503, timeout]}]
    strategy: weighted
    on_status: {404: elsewhere, 402: terminal, 409: retry}
    degrade:
      stop_at: canned
      canned: Sorry.
      escalate: {webhook: "https://ops.example.com/x", api_key_env: KEY, after: canned}
    hedge: {delay: p95, max_parallel: 2}
    retry: {attempts: 5, on: [503, timeout]}
    on_break: continue
    upstream: whole
    max_ejected: 100%
"""


def small(backend: str, route: str = "", top: str = "") -> Catalogue:
    return parse(
        f"{top}\nbackends: [{{name: a, {backend}}}, {{name: b, provider: local}}]\n"
        f"routes: [{{name: default, backends: [a, b], {route}}}]\n",
        "q.yaml",
        {"KEY": "sk-1"},
    )


def only(backend: str) -> Backend:
    return small(backend).backends["a"]


def test_every_key_arrives() -> None:
    """A file that uses all keys gives exactly this backend, route and server."""
    catalogue = parse(WHOLE, "q.yaml", {"KEY": "sk-1"})
    fast = catalogue.backends["fast"]
    assert fast.api_key is not None
    assert fast.api_key.reveal() == "sk-1"
    assert fast == Backend(
        name="fast",
        provider="openai",
        model="gpt-5-mini",
        model_id="mini",
        base_url="https://api.example.com/v1",
        path="/deployments/mini?version=3",
        headers={"x-team": "blue"},
        api_key=fast.api_key,
        api_key_env="KEY",
        price=Price(
            Decimal("0.25"), Decimal("2.00"), Decimal("0.025"), Decimal(0), units={"web_search": Decimal("0.01")}
        ),
        context_window=400_000,
        capabilities=frozenset({"text", "vision"}),
        regions=frozenset({"us"}),
        data_policies=frozenset({"zdr", "no_training"}),
        failure_domain="example",
        shares="example",
        params={"temperature": 0.2, "seed": 7, "stop": ["on", None, "2027-01-01"], "logit_bias": {"50256": -100}},
        retires=date(2027, 3, 1),
        timeouts=Timeouts(0.25, 2.0, 1.5, 60.0),
        breaker=BreakerRule(2, 10.0, 3, 4, 30.0, 20, 0.07, 1.5, 0.625),
        slow_start=SlowStart(60.0, 1.5, 0.25),
        limits=Limits(200, 5000, 2_000_000),
        check=CheckRule(CheckMethod.COMPLETION, 60.0, 3.0, 2, 4, 1, 17, 6_000, 20_000_000),
        cancelled=Cancelled.FULL,
        carries=COMPATIBLE.carries,
    )
    (route,) = catalogue.routes.values()
    waiting = Entry("last", fallback_on=frozenset({503, "timeout"}), tier="low", rank=1)
    rule = EscalateRule(Secret("https://ops.example.com/x"), Secret("sk-1"), After.CANNED)
    assert route.ladder == Ladder(Rung.CANNED, "Sorry.", rule)
    assert route.entries == (Entry("fast"), Entry("steady", 2, 1), waiting)
    assert route.on_status == {
        404: FailureClass.ELSEWHERE,
        402: FailureClass.TERMINAL,
        409: FailureClass.RETRY,
    }
    assert (route.strategy, route.upstream) == (Strategy.WEIGHTED, Upstream.WHOLE)
    assert route.on_break is OnBreak.CONTINUE
    assert route.hedge == HedgeRule(percentile=0.95, max_parallel=2)
    assert route.retry == RetryRule(5, frozenset({503, "timeout"}))
    assert catalogue.server == ServerRule(
        "[::1]:0", max_in_flight=7, max_wait=0.05, write_stall=4.0, heartbeat=2.0, drain_quiet=0.0, drain_grace=90.0
    )
    assert catalogue.records == RecordRule("logs/d.jsonl", 2 * 1024**3, keep=0, content=True)


@pytest.mark.parametrize(
    ("hedge", "rule"),
    [
        ("delay: 0s", HedgeRule(delay=0.0)),
        ("delay: 300ms, to: fastest", HedgeRule(delay=0.3, to=HedgeTo.FASTEST)),
        ("delay: auto", HedgeRule(target=0.99)),
        ("delay: auto, target: p99.9, min_gain: 20%", HedgeRule(target=0.999, min_gain=0.2)),
        ("delay: p90, max_extra_cost: {request: 0.01}", HedgeRule(percentile=0.9, max_extra=10_000_000)),
        (
            "delay: auto, to: cheapest, max_extra_cost: {request: 0, hour: 2.00}",
            HedgeRule(target=0.99, to=HedgeTo.CHEAPEST, max_extra=0, max_extra_hour=2_000_000_000),
        ),
    ],
)
def test_hedging_as_it_is_written(hedge: str, rule: HedgeRule) -> None:
    """Fixed, percentile or learned, whom to ask, and what it may cost in nano-USD."""
    assert small("provider: local", f"hedge: {{{hedge}}}").routes["default"].hedge == rule


@pytest.mark.parametrize(
    ("backend", "bill"),
    [
        ("provider: local", Cancelled.FREE),
        ("provider: scripted, script: [{text: hi}]", Cancelled.FREE),
        ("provider: openai, model: m, api_key_env: KEY", Cancelled.SO_FAR),
        ("provider: scripted, script: [{text: hi}], cancelled: full", Cancelled.FULL),
    ],
)
def test_what_a_cancelled_attempt_is_billed(backend: str, bill: Cancelled) -> None:
    """What was written so far, unless the file says otherwise or nobody bills."""
    assert only(backend).cancelled is bill


def test_what_is_left_out_has_the_defaults_of_the_vocabulary() -> None:
    """Times, breakers, retries and the listener come from core when the file says nothing."""
    catalogue = small("provider: local")
    backend, route = catalogue.backends["a"], catalogue.routes["default"]
    assert (backend.timeouts, backend.breaker, backend.limits) == (Timeouts(), BreakerRule(), Limits())
    assert (route.retry, route.hedge, route.strategy) == (RetryRule(), None, Strategy.PRIORITY)
    assert catalogue.server == ServerRule()
    assert backend.capabilities == {"text", "prefill"}


@pytest.mark.parametrize(
    ("backend", "carried"),
    [
        ("provider: openai, model: m, api_key_env: KEY", OPENAI.carries),
        ("provider: openai, model: m, base_url: http://host:8000/v1", COMPATIBLE.carries),
        ("provider: openai, model: m, api_key_env: KEY, api: responses", RESPONSES),
        ("provider: openai, model: m, api_key_env: KEY, path: /responses", RESPONSES),
        ("provider: openai, model: gpt-5.6, api_key_env: KEY", OPENAI.carries | {Feature.CACHE_HINTS}),
        ("provider: groq, model: m, api_key_env: KEY", DIALECTS["groq"].carries),
        ("provider: azure, model: m, api_key_env: KEY, base_url: https://a.openai.azure.com", AZURE.carries),
    ],
)
def test_what_a_backend_carries_is_what_its_dialect_and_interface_do(backend: str, carried: frozenset[Feature]) -> None:
    """By its word, its address and the way to ask."""
    assert only(backend).carries == carried


@pytest.mark.parametrize(("first_token", "slow"), [("1s", 0.8), ("5s", 4.0), ("10s", 8.0), ("60s", 8.0)])
def test_slow_comes_before_too_late(first_token: str, slow: float) -> None:
    """Where the file does not say what is slow: 8 s, or four fifths of a shorter limit."""
    backend = only(f"provider: local, timeouts: {{first_token: {first_token}}}")
    assert backend.breaker.slow_first_token == slow


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ("provider: local", ("smollm2-135m-instruct", "smollm2-135m-instruct", "", "local", 4096)),
        ("provider: local, context: 2048", ("smollm2-135m-instruct", "smollm2-135m-instruct", "", "local", 2048)),
        (
            "provider: openai, model: m, api_key_env: KEY",
            ("m", "m", "https://api.openai.com/v1", "api.openai.com", None),
        ),
        ("provider: openai, model: m, base_url: http://host:8000/v1", ("m", "m", "http://host:8000/v1", "host", None)),
        ("provider: scripted, script: [{text: hi}]", ("scripted", "scripted", "", "scripted", None)),
    ],
)
def test_defaults_of_a_backend(backend: str, expected: tuple[object, ...]) -> None:
    """Model, interchangeability, address, failure domain and window follow from the provider and the address."""
    a = only(backend)
    assert (a.model, a.model_id, a.base_url, a.failure_domain, a.context_window) == expected


@pytest.mark.parametrize(
    ("backend", "rule"),
    [
        ("provider: local", None),
        ("provider: local, health: {}", None),
        (
            "provider: vllm, model: m, base_url: 'http://h/v1', health: {active: {method: connect}}",
            CheckRule(CheckMethod.CONNECT),
        ),
        (
            "provider: vllm, model: m, base_url: 'http://h/v1', health: {active: {method: models, interval: 2s}}",
            CheckRule(CheckMethod.MODELS, interval=2.0, timeout=2.0),
        ),
        (
            "provider: local, health: {active: {method: completion}}",
            CheckRule(CheckMethod.COMPLETION, most_tokens=17, max_cost_per_day=100_000_000),
        ),
        (
            # A model that thinks is left room for it: those of OpenAI refuse a limit that leaves none.
            "provider: openai, model: gpt-5-mini, api_key_env: KEY, health: {active: {method: completion}}",
            CheckRule(CheckMethod.COMPLETION, output_tokens=16, most_tokens=32, cost=36_000, max_cost_per_day=10**8),
        ),
    ],
)
def test_checks_are_as_cheap_as_the_backend_lets_them_be(backend: str, rule: CheckRule | None) -> None:
    """A word in, a token out, at most 0.10 USD a day; and nobody is checked who did not ask for it."""
    assert only(backend).check == rule


def test_a_providers_own_settings_arrive_as_plain_values(tmp_path: Path) -> None:
    """`script` is plain lists and dicts; the model file is found from the configuration's folder."""
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF...")
    scripted = only("provider: scripted, script: [{text: hi, after: 0.5}, {fail: overloaded}]")
    assert scripted.options == {"script": [{"text": "hi", "after": 0.5}, {"fail": "overloaded"}]}
    assert type(scripted.options["script"][0]["after"]) is float
    path = tmp_path / "q.yaml"
    path.write_text(
        "backends: [{name: a, provider: local, model_path: tiny.gguf, threads: 2, parallel: 3, context: 512}]\n"
        "routes: [{name: default, backends: [a]}]"
    )
    local = load(path, {}).backends["a"]
    assert local.options == {"model_path": str(tmp_path / "tiny.gguf"), "threads": 2, "parallel": 3, "context": 512}
    assert local.capabilities == {"text"}  # what else such a file can do nobody knows
    assert local.model == "tiny"


def test_a_price_never_passes_through_binary_floating_point() -> None:
    """0.1 USD is 0.1 USD, down to the last nano-USD."""
    backend = only("provider: local, price: {input: 0.1, output: 12345, units: {call: 0.000000001}}")
    assert backend.price == Price(Decimal("0.1"), Decimal(12345), units={"call": Decimal("0.000000001")})


def test_a_price_may_have_tiers_for_long_requests() -> None:
    """Each with its own cache prices; what a tier leaves out is its own input price, not that of short requests."""
    backend = only(
        "provider: local, price: {input: 3, output: 15, cache_write: 3.75, cache_write_long: 6, tiers: ["
        "{above: 200000, input: 6, output: 22.5, cache_read: 0.6}, {above: 1000000, input: 7, output: 23}]}"
    )
    tiers = (
        Tier(200_000, Decimal(6), Decimal("22.5"), cache_read=Decimal("0.6")),
        Tier(1_000_000, Decimal(7), Decimal(23)),
    )
    assert backend.price == Price(
        Decimal(3), Decimal(15), cache_write=Decimal("3.75"), cache_write_long=Decimal(6), tiers=tiers
    )


def test_yaml_is_1_2_whatever_the_file_says() -> None:
    """`on` stays a word, 1:30 is no number, 010 is ten, also under a %YAML 1.1 line that would have it otherwise."""
    text = "backends: [{name: a, provider: local, params: {a: on, b: 1:30, c: 010, d: yes, e: 1_000, f: 0x1f}}]\n"
    text += "routes: [{name: default, backends: [a], retry: {on: [503]}}]\n"
    for start in ("", "%YAML 1.1\n---\n"):
        catalogue = parse(start + text, "q.yaml", {})
        assert catalogue.backends["a"].params == {"a": "on", "b": "1:30", "c": 10, "d": "yes", "e": "1_000", "f": 31}
        assert catalogue.routes["default"].retry.on == frozenset({503})


def test_a_character_that_is_escaped_as_json_does_is_one() -> None:
    """JSON is YAML, and writes what lies beyond the first 65,536 characters as two halves."""
    (route,) = small("provider: local", 'degrade: {canned: "Sorry \\ud83d\\ude00"}').routes.values()
    assert route.ladder == Ladder(Rung.CANNED, "Sorry \U0001f600")


def test_anchors_aliases_and_merges_spare_repetition() -> None:
    """`<<` adds what a mapping does not say itself; of two merged mappings the first counts."""
    catalogue = parse(
        "backends:\n"
        "  - {name: a, provider: local, timeouts: &slow {idle: 30s, connect: 3s}}\n"
        "  - {name: b, provider: local, timeouts: &slower {<<: *slow, idle: 40s}}\n"
        "  - {name: c, provider: local, timeouts: {<<: [*slower, *slow], total: 9m}}\n"
        "  - {name: d, provider: local, timeouts: *slow}\n"
        "routes: [{name: default, backends: [a, b, c, d]}]\n",
        "q.yaml",
        {},
    )
    rules = [backend.timeouts for backend in catalogue.backends.values()]
    assert [(rule.idle, rule.connect) for rule in rules] == [(30, 3), (40, 3), (40, 3), (30, 3)]
    assert rules[2].total == 540


@pytest.mark.parametrize(
    ("delay", "expected"),
    [("0s", (0.0, None)), ("300ms", (0.3, None)), ("p1", (None, 0.01)), ("p99", (None, 0.99)), ("2m", (120.0, None))],
)
def test_hedging_delays(delay: str, expected: tuple[float | None, float | None]) -> None:
    """A delay is a time, 0 included, or a percentile."""
    hedge = small("provider: local", f"hedge: {{delay: {delay}}}").routes["default"].hedge
    assert hedge is not None
    assert (hedge.delay, hedge.percentile) == expected


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "localhost:65535", "'[::]:50051'", "unix:/run/q.sock", "unix:q.sock"])
def test_listeners(listen: str) -> None:
    """Addresses of both families, any free port, and sockets are taken as they are written."""
    assert small("provider: local", top=f"server: {{listen: {listen}}}").server.listen == listen.strip("'")


@pytest.mark.parametrize(
    ("backends", "more", "classes"),
    [
        ("[a, {backend: b, fallback_on: [400, 404, 429, timeout]}]", "", {400: "elsewhere"}),
        ("[a, b]", "retry: {on: [404, 409, 429, 503, timeout]}", {404: "retry", 409: "retry"}),
        ("[a, {backend: b, fallback_on: [409, 422]}]", "retry: {on: [409]}", {409: "retry", 422: "elsewhere"}),
        ("[a, {backend: b, fallback_on: [422]}]", "on_status: {422: retry}", {422: "retry"}),
        ("[a, b]", "", {}),
    ],
)
def test_a_status_that_somebody_waits_for_or_that_is_to_be_retried_ends_no_call(
    backends: str, more: str, classes: dict[int, str]
) -> None:
    """Naming it is enough: the class that it has otherwise would make what is written mean nothing."""
    both = "{name: a, provider: local}, {name: b, provider: local}"
    text = f"backends: [{both}]\nroutes: [{{name: default, backends: {backends}, {more}}}]"
    route = parse(text, "q.yaml", {}).routes["default"]
    assert {status: given.word for status, given in route.on_status.items()} == classes


def test_retrying_on_nothing_is_a_choice() -> None:
    """`on: []` means that no backend is asked twice; it is no empty list by mistake."""
    assert small("provider: local", "retry: {on: []}").routes["default"].retry == RetryRule(3, frozenset())


def test_without_a_file_there_is_the_embedded_model() -> None:
    """No file: route `default` on backend `local`, on the usual address, with no key."""
    catalogue = default_catalogue({})
    assert [*catalogue.backends] == ["local"]
    assert catalogue.default_route == "default"
    assert catalogue.server == ServerRule()


def test_the_starter_is_valid_as_it_is_and_as_it_suggests() -> None:
    """`quickthorn init` writes a file that works without any key, and works when its comments are opened."""
    assert [*parse(starter(), "starter.yaml", {}).backends] == ["local"]
    opened = re.sub(r"(?m)^( *)# (?= *(?:- )?(?:\{|[a-z_]+:))", r"\1", starter()).replace("[local] ", "[fast, own] ")
    catalogue = parse(opened, "starter.yaml", {}, resolve_secrets=False)
    assert [*catalogue.backends] == ["local", "fast", "own"]
    assert catalogue.routes["default"].hedge == HedgeRule(target=0.99)
    assert catalogue.routes["default"].strategy is Strategy.WEIGHTED
    assert catalogue.backends["own"].base_url == "http://10.0.0.7:8000/v1"
    assert (catalogue.server.callers[0].name, catalogue.server.tls is not None) == ("web", True)


def test_the_example_for_real_providers_is_valid() -> None:
    """`examples/quickthorn.yaml` needs two keys and nothing else."""
    catalogue = load(EXAMPLE, {"OPENAI_API_KEY": "sk-1", "GROQ_API_KEY": "gsk-2"})
    assert [*catalogue.routes] == ["default", "bulk", "private"]


def test_the_version_names_the_content() -> None:
    """Same content, same version, whatever the order of keys, the comments and the secrets; else another one."""
    first = "backends: [{name: a, provider: openai, model: m, api_key_env: KEY}]\nroutes: [{name: r, backends: [a]}]"
    same = "# moved\nroutes:\n- backends: [a]\n  name: r\nbackends:\n"
    same += "- {model: m, provider: openai, api_key_env: KEY, name: a}"
    other = first.replace("model: m", "model: n")
    versions = [parse(text, "q.yaml", {"KEY": key}).version for text in (first, same, other) for key in ("k1", "k2")]
    assert versions == [versions[0]] * 4 + [versions[4]] * 2
    assert versions[0] != versions[4]
    assert len(versions[0]) == 12
    assert parse(first, "q.yaml", {}, resolve_secrets=False).version == versions[0]


def test_records_go_where_the_file_says() -> None:
    """Nowhere by default; else beside the configuration, with the limits of the vocabulary, and without content."""
    body = "backends: [{name: a, provider: local}]\nroutes: [{name: r, backends: [a]}]\n"
    assert parse(body, "q.yaml", {}).records is None
    here = parse("records: {file: d.jsonl}\n" + body, "/etc/quickthorn/q.yaml", {}).records
    assert here == RecordRule("/etc/quickthorn/d.jsonl", 64 * 1024**2, keep=5, content=False)
    absolute = parse("records: {file: /var/log/d.jsonl, max_size: 1MiB}\n" + body, "q.yaml", {}).records
    assert absolute == RecordRule("/var/log/d.jsonl", 1024**2)


@pytest.mark.parametrize(
    ("degrade", "ladder"),
    [
        ("", None),
        ("degrade: {}", Ladder()),
        ("degrade: {stop_at: same_model}", Ladder(Rung.SAME_MODEL)),
        ("degrade: {canned: Sorry.}", Ladder(Rung.CANNED, "Sorry.")),
        ("degrade: {canned: Sorry., stop_at: canned}", Ladder(Rung.CANNED, "Sorry.")),
    ],
)
def test_a_ladder_that_is_not_written_is_none(degrade: str, ladder: Ladder | None) -> None:
    """It stops at lower tiers, or at the canned text if there is one."""
    assert small("provider: local", degrade).routes["default"].ladder == ladder


@pytest.mark.parametrize(
    ("entries", "ranks"),
    [
        ("[a, b]", [0, 0]),
        ("[{backend: a, tier: best}, b]", [0, 0]),
        ("[a, {backend: b, tier: low}]", [0, 1]),
        ("[{backend: a, tier: best}, {backend: b, tier: low}, c]", [0, 1, 1]),
        ("[{backend: a, tier: best}, {backend: b, tier: low}, {backend: c, tier: best}]", [0, 1, 0]),
        ("[a, {backend: b, tier: low}, {backend: c, tier: lower}]", [0, 1, 2]),
    ],
)
def test_tiers_go_down_in_the_order_in_which_they_appear(entries: str, ranks: list[int]) -> None:
    """An entry without one has that of the entry before; tiers alone make a ladder."""
    backends = "backends: [{name: a, provider: local}, {name: b, provider: local}, {name: c, provider: local}]"
    catalogue = parse(f"{backends}\nroutes: [{{name: default, backends: {entries}}}]", "q.yaml", {})
    route = catalogue.routes["default"]
    assert [entry.rank for entry in route.entries] == ranks
    assert route.ladder == (Ladder() if any(ranks) else None)


@pytest.mark.parametrize("key", ["webhook_env: HOOK", "webhook_file: hook"])
def test_a_webhook_that_is_a_secret_stands_in_a_variable_or_a_file(tmp_path: Path, key: str) -> None:
    """Its address is never shown; without looking nothing is read."""
    secret = "https://hooks.example.com/services/T0/B0/0123456789abcdefghijklmn"
    (tmp_path / "hook").write_text(secret + "\n")
    route = f"{{name: r, backends: [a], degrade: {{escalate: {{{key}}}}}}}"
    text = f"backends: [{{name: a, provider: local}}]\nroutes: [{route}]"
    found = parse(text, str(tmp_path / "q.yaml"), {"HOOK": secret}).routes["r"]
    assert found.ladder is not None
    assert found.ladder.escalate == EscalateRule(Secret(secret))
    assert secret not in repr(found)
    assert parse(text, str(tmp_path / "q.yaml"), {}, resolve_secrets=False).routes["r"].ladder is not None
