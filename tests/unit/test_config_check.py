"""What is allowed and yet hardly meant is pointed out."""

from __future__ import annotations

from datetime import date

import pytest

from quickthorn_server.config import parse, warnings

TODAY = date(2026, 6, 1)


def warned(text: str) -> tuple[str, ...]:
    return warnings(parse(text, "q.yaml", {"WEB": "web-key"}), TODAY)


def retiring(day: str) -> tuple[str, ...]:
    return warned(f"backends: [{{name: a, provider: local, retires: {day}}}]\nroutes: [{{name: r, backends: [a]}}]")


def test_a_model_near_its_end_is_pointed_out() -> None:
    """From 90 days before a model retires, and after, a warning says so."""
    assert retiring("2026-08-31") == ()
    assert retiring("2026-08-30") == (
        'backend "a" retires on 2026-08-30, in 90 days: move its routes to another model',
    )
    assert retiring("2026-06-01") == ('backend "a" retires on 2026-06-01, in 0 days: move its routes to another model',)
    assert retiring("2026-05-31") == ('backend "a" retired on 2026-05-31: move its routes to another model',)


def test_the_package_knows_when_models_retire() -> None:
    """A backend whose file says nothing of it is pointed out as well; what the file says counts more."""
    text = (
        "backends: [{name: a, provider: gemini, model: gemini-2.5-pro, api_key_env: WEB}]\n"
        "routes: [{name: r, backends: [a]}]"
    )
    near = date(2026, 9, 2)
    assert warnings(parse(text, "q.yaml", {"WEB": "k"}), near) == (
        'backend "a" retires on 2026-12-01, in 90 days: move its routes to another model',
    )
    assert (
        warnings(parse(text.replace("api_key_env", "retires: 2028-01-01, api_key_env"), "q.yaml", {"WEB": "k"}), near)
        == ()
    )


def test_a_capability_that_no_request_could_use_is_pointed_out() -> None:
    """Whoever lists audio at a provider that carries none is told; behind a foreign address nobody knows."""
    text = """
    backends:
      - {name: a, provider: groq, model: m, api_key_env: WEB, capabilities: [text, audio, documents]}
      - {name: b, provider: openai, model: m, base_url: "http://127.0.0.1:1", capabilities: [text, video, prefill]}
      - {name: c, provider: openai, model: m, base_url: "http://127.0.0.1:1", capabilities: [prefill], api: responses}
    routes: [{name: r, backends: [a, b, c]}]
    """
    assert warned(text) == (
        'backend "a" lists audio, documents, which provider "groq" is not known to carry',
        'backend "c" lists prefill, which provider "openai" is not known to carry',
    )


def test_a_backend_that_no_route_uses_is_pointed_out() -> None:
    """Money may be meant for it and never reach it."""
    text = "backends: [{name: a, provider: local}, {name: b, provider: local}]\nroutes: [{name: r, backends: [a]}]"
    assert warned(text) == ('backend "b" is in no route: nobody can reach it',)


def test_hedging_inside_one_failure_domain_is_pointed_out() -> None:
    """Two backends of one host slow down together; two hosts do not."""
    text = (
        "backends:\n"
        "  - {name: a, provider: openai, model: m, base_url: http://one/v1}\n"
        "  - {name: b, provider: openai, model: n, base_url: http://one/v2}\n"
        "routes: [{name: r, backends: [a, b], hedge: {delay: 1s}}]"
    )
    assert warned(text) == (
        (
            'route "r" hedges inside one failure domain ("one"): '
            "what slows one backend slows the others; add one from elsewhere"
        ),
    )
    assert warned(text.replace("one/v2", "two/v2")) == ()
    assert warned(text.replace(", hedge: {delay: 1s}", "")) == ()
    written = text.replace("base_url: http://one/v1}", "base_url: http://a/v1, failure_domain: east}")
    written = written.replace("base_url: http://one/v2}", "base_url: http://b/v1, failure_domain: east}")
    assert warned(written) == (
        'route "r" never hedges: its backends share the failure domain "east"; add one from elsewhere',
    )


def test_a_backend_without_a_price_is_not_hedged_to_where_that_may_cost_only_so_much() -> None:
    """Nobody could say that it keeps to the limit; who bills nothing of a cancelled call does."""
    text = (
        "backends:\n"
        "  - {name: a, provider: openai, model: m, base_url: http://one/v1, price: {input: 1, output: 2}}\n"
        "  - {name: b, provider: openai, model: n, base_url: http://two/v1}\n"
        "  - {name: c, provider: openai, model: n, base_url: http://three/v1, cancelled: free}\n"
        "routes: [{name: r, backends: [a, b, c], hedge: {delay: 1s, max_extra_cost: {hour: 1}}}]"
    )
    assert warned(text) == (
        (
            'backend "b" has no price, and route "r" limits what hedges may cost: '
            "it is never hedged to, nor from; give it a price"
        ),
    )
    assert warned(text.replace(", max_extra_cost: {hour: 1}", "")) == ()


def test_a_route_on_which_nobody_can_continue_is_pointed_out() -> None:
    """It says that what breaks is continued, and a call has one backend, or one attempt."""
    text = "backends: [{name: a, provider: local}]\nroutes: [{name: r, backends: [a], on_break: continue}]"
    assert warned(text) == ('route "r" continues what breaks, and has one backend a call: nobody can do it',)
    two = text.replace("}]\n", "}, {name: b, provider: local}]\n").replace("[a]", "[a, b]")
    assert warned(two) == ()
    one = two.replace("continue}", "continue, retry: {attempts: 1}}")
    assert warned(one) == ('route "r" continues what breaks, and has one attempt a call: nobody can do it',)


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        ("server: {listen: 127.0.0.1:0}", ""),
        ("server: {listen: localhost:0}", ""),
        ("server: {listen: 'unix:/q'}", ""),
        ("server: {listen: 0.0.0.0:0}", "without callers: anybody may spend your keys"),
        (
            "server: {listen: 0.0.0.0:0}\ncallers: [{name: web, api_key_env: WEB}]",
            "without tls: callers' keys travel in the clear",
        ),
    ],
)
def test_an_open_listener_is_pointed_out(top: str, expected: str) -> None:
    """Open to the network without callers, or with callers and without tls."""
    said = warned(f"{top}\nbackends: [{{name: a, provider: local}}]\nroutes: [{{name: r, backends: [a]}}]")
    assert said == ((f"server.listen 0.0.0.0:0 is open to the network {expected}",) if expected else ())


def test_recording_content_is_pointed_out() -> None:
    """What callers ask is then on the disk; without content nothing is said."""
    body = "backends: [{name: a, provider: local}]\nroutes: [{name: r, backends: [a]}]"
    assert warned("records: {file: d.jsonl, content: false}\n" + body) == ()
    assert warned("records: {file: d.jsonl, content: true}\n" + body) == (
        "records.content is true: d.jsonl will hold what callers ask and are answered, in the clear",
    )


@pytest.mark.parametrize(("interval", "warns"), [("30s", True), ("10m", False)])
def test_checks_that_would_run_out_of_money_are_pointed_out(interval: str, warns: bool) -> None:
    """What they may cost in a day is more than they are given: they would pause before it is over."""
    found = warned(
        f"""
        backends:
          - name: a
            provider: vllm
            model: m
            base_url: http://127.0.0.1:1/v1
            price: {{input: 10, output: 30}}
            health: {{active: {{method: completion, interval: {interval}}}}}
        routes: [{{name: r, backends: [a]}}]
        """
    )
    expected = (
        'backend "a" may spend 0.55 USD a day on checks, and pauses them at 0.10: lengthen the interval, or raise '
        "max_cost_per_day"
    )
    assert found == ((expected,) if warns else ())
