"""What a prompt becomes on Bedrock's wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quickthorn_server.core.bedrock_models import lacks
from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import (
    CacheHint,
    Citation,
    Kind,
    Media,
    MediaKind,
    Message,
    OpaqueState,
    Part,
    ProviderBlock,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from quickthorn_server.core.embedding import EmbedPrompt, InputType, TokenIds
from quickthorn_server.core.failures import BackendError, Failure
from quickthorn_server.core.features import Feature
from quickthorn_server.core.prompt import (
    FunctionTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    Prompt,
    ReasoningEffort,
    ReasoningOptions,
    Sampling,
    Tool,
    ToolChoice,
    ToolMode,
)
from quickthorn_server.core.secret import Secret
from quickthorn_server.core.usage import Usage
from quickthorn_server.providers.bedrock import BedrockFormat, problems

SCHEMA = '{"type":"object", "properties":{"z":{"minimum":40.0},"a":{"const":1e2}}}'
HI = Message(Role.USER, (Part(Text("hi")),))
CURRENT = "eu.anthropic.claude-sonnet-5-v1:0"
CLAUDE, NOVA, LLAMA = "us.anthropic.claude-sonnet-4-5-v1:0", "amazon.nova-lite-v1:0", "meta.llama3-70b-v1:0"
PNG = Media(MediaKind.IMAGE, b"png", media_type="image/png")
PDF = Media(MediaKind.DOCUMENT, b"pdf", media_type="application/pdf", filename="a_b.pdf")


def wire(model: str = CLAUDE, **more: Any) -> BedrockFormat:
    options = {"aws_region": "us-east-1"}
    return BedrockFormat(Backend("b", "bedrock", model, "m", options=options, **more))


def text(prompt: Prompt, model: str = CLAUDE, **more: Any) -> str:
    return wire(model, **more).request(prompt, whole=True).body.decode()


def body(prompt: Prompt, model: str = CLAUDE, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(prompt, model, **more))
    return found


def turn(role: Role, *parts: Part | Kind) -> Any:
    message = Message(role, tuple(part if isinstance(part, Part) else Part(part) for part in parts))
    return body(Prompt((message,)))["messages"][0]["content"]


def function(name: str, **more: Any) -> Tool:
    return Tool(FunctionTool(name, **more))


@pytest.mark.parametrize(
    ("model", "base", "path", "url"),
    [
        ("m.x-v1:0", "", "", "https://bedrock-runtime.us-east-1.amazonaws.com/model/m.x-v1:0/converse"),
        ("arn:aws:x:1:p/a", "http://h:1/", "", "http://h:1/model/arn:aws:x:1:p%2Fa/converse"),
        ("m", "http://h:1/gate", "", "http://h:1/gate/model/m/converse"),
        ("m", "http://h:1", "/own/converse", "http://h:1/own/converse"),
    ],
)
def test_where_a_request_goes(model: str, base: str, path: str, url: str) -> None:
    """To the region's address or the one configured; the model is one segment of the path."""
    backend = wire(model, base_url=base, path=path, api_key=Secret("k"), headers={"X-A": "1"})
    sent = backend.request(Prompt((HI,)), whole=True)
    assert sent.url == url
    assert backend.request(Prompt((HI,)), whole=False).url == f"{url}-stream"
    assert sent.headers == {"Content-Type": "application/json", "Authorization": "Bearer k", "X-A": "1"}


@pytest.mark.parametrize(
    ("base", "options", "environment", "host"),
    [
        ("", {"aws_region": "eu-west-1"}, {"AWS_REGION": "us-west-2"}, "bedrock-runtime.eu-west-1.amazonaws.com"),
        ("", {}, {"AWS_REGION": "us-west-2"}, "bedrock-runtime.us-west-2.amazonaws.com"),
        ("", {}, {"AWS_DEFAULT_REGION": "cn-north-1"}, "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", {}, {}, "bedrock-runtime-fips.us-gov-west-1"),
        ("http://127.0.0.1:1", {}, {}, "127.0.0.1:1"),
        ("", {}, {}, None),
    ],
)
def test_the_region(
    monkeypatch: pytest.MonkeyPatch, base: str, options: dict[str, str], environment: dict[str, str], host: str | None
) -> None:
    """As configured, else as the address says, else as the environment says; else the configuration is wrong."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    backend = Backend("b", "bedrock", "m", "m", base_url=base, options=options)
    found = problems(backend)
    assert [line.partition(":")[0] for line in found] == ([] if host else ["aws_region"])
    if host:
        assert host in BedrockFormat(backend).request(Prompt((HI,)), whole=True).url


def test_settings_have_bedrocks_places() -> None:
    """What the request leaves open the backend's params fill, null takes a field out, and options come last."""
    asked = body(Prompt((HI,), sampling=Sampling(9, 0.5, 0.9, 40, stop=("END",)), system=(Part(Text("Be kind.")),)))
    assert asked == {
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
        "system": [{"text": "Be kind."}],
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
        "additionalModelRequestFields": {"top_k": 40},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    }
    params = {"max_output_tokens": 5, "temperature": 0.1, "topP": None, "performanceConfig": {"latency": "optimized"}}
    own = {"bedrock": '{"guardrailConfig":{"x":1.0},"inferenceConfig":{"maxTokens":1e2}}'}
    sent = text(Prompt((HI,)), params=params)
    assert sent.endswith(
        '"performanceConfig":{"latency":"optimized"},"inferenceConfig":{"maxTokens":5,"temperature":0.1}}'
    )
    assert '"inferenceConfig":{"maxTokens":1e2}' in text(Prompt((HI,), provider_options_json=own), params=params)
    assert text(Prompt((HI,), provider_options_json=own)).endswith(
        '"guardrailConfig":{"x":1.0},"inferenceConfig":{"maxTokens":1e2}}'
    )


@pytest.mark.parametrize(
    ("model", "top_k", "fields"),
    [
        (CLAUDE, 4, {"top_k": 4}),
        (NOVA, 4, {"inferenceConfig": {"topK": 4}}),
        ("mistral.large", 4, {"top_k": 4}),
        ("cohere.command-r-v1:0", 4, {"k": 4}),
    ],
)
def test_top_k_is_worded_by_the_models_family(model: str, top_k: int, fields: dict[str, Any]) -> None:
    """Converse has no name for it."""
    assert body(Prompt((HI,), sampling=Sampling(top_k=top_k)), model)["additionalModelRequestFields"] == fields


@pytest.mark.parametrize(
    ("reasoning", "model", "more", "output"),
    [
        (ReasoningOptions(budget_tokens=2000), CLAUDE, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, None),
        (ReasoningOptions(ReasoningEffort.NONE), CLAUDE, None, None),
        (ReasoningOptions(ReasoningEffort.NONE), CURRENT, {"thinking": {"type": "disabled"}}, None),
        (ReasoningOptions(ReasoningEffort.MAX), CURRENT, None, {"effort": "max"}),
        (ReasoningOptions(ReasoningEffort.LOW), CLAUDE, {"thinking": {"type": "enabled", "budget_tokens": 3276}}, None),
        (ReasoningOptions(ReasoningEffort.NONE), NOVA, None, None),
        (ReasoningOptions(ReasoningEffort.MINIMAL), NOVA, None, {"effort": "low"}),
    ],
)
def test_thinking(reasoning: ReasoningOptions, model: str, more: Any, output: Any) -> None:
    """A degree has a name in Converse; a budget only in Claude's own words, and what each Claude takes is known."""
    asked = body(Prompt((HI,), reasoning=reasoning), model)
    assert (asked.get("additionalModelRequestFields"), asked.get("outputConfig")) == (more, output)


def test_a_claude_that_thinks_is_spared_the_backends_temperature() -> None:
    """It would refuse it; what the caller asks for stays the caller's."""
    params = {"temperature": 0.2, "maxTokens": 9000}
    thinks = ReasoningOptions(budget_tokens=2000)
    assert body(Prompt((HI,), reasoning=thinks), params=params)["inferenceConfig"] == {"maxTokens": 9000}
    assert body(Prompt((HI,)), params=params)["inferenceConfig"] == {"temperature": 0.2, "maxTokens": 9000}


@pytest.mark.parametrize(
    ("model", "roles", "head"), [(CURRENT, "user system assistant user", 1), (NOVA, "user assistant user", 2)]
)
def test_turns_alternate(model: str, roles: str, head: int) -> None:
    """Neighbours of one role are one turn; a system message between them stays only where the model takes it."""
    middle = Message(Role.SYSTEM, (Part(Text("now in French")),))
    said = (HI, middle, HI, Message(Role.ASSISTANT, (Part(Refusal("no")),)), HI)
    asked = body(Prompt(said, system=(Part(Text("be kind")),)), model)
    assert " ".join(each["role"] for each in asked["messages"]) == roles
    assert asked["messages"][0]["content"] == [{"text": "hi"}] * 2
    assert len(asked["system"]) == head


def test_arguments_that_are_no_object_are_put_into_one() -> None:
    """A model wrote them, and shall see them again."""
    blocks = turn(Role.ASSISTANT, ToolCall("c", "f", "{cut"), ToolCall("d", "f", "[1]"))
    assert [block["toolUse"]["input"] for block in blocks] == [{"INVALID_JSON": "{cut"}, {"INVALID_JSON": "[1]"}]


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        ((CLAUDE,), set()),
        ((CURRENT,), {Feature.TEMPERATURE, Feature.TOP_P, Feature.TOP_K, Feature.THINKING_BUDGET}),
        (("arn:aws:bedrock:x", "claude-sonnet-4-5"), set()),
        ((NOVA,), {Feature.THINKING_BUDGET}),
        ((LLAMA,), {Feature.THINKING_BUDGET, Feature.TOP_K}),
        (("amazon.titan-embed-text-v2:0",), {Feature.THINKING_BUDGET, Feature.TOP_K, Feature.IMAGE_INPUTS}),
    ],
)
def test_what_a_model_lacks(names: tuple[str, ...], lost: set[Feature]) -> None:
    """Eligibility hears of it before the call, by whichever name tells the family."""
    assert lacks(*names) - {Feature.EFFORT} == lost


def test_cache_hints_are_points_behind_their_parts() -> None:
    """In the system prompt, in messages and among tools; times are rounded up to those that are sold."""
    parts = tuple(Part(Text("a"), cache=CacheHint(ttl)) for ttl in (None, 60.0, 301.0, 1e6))
    asked = body(Prompt((Message(Role.USER, parts),), parts[:1], (Tool(FunctionTool("f"), CacheHint()),)))
    point = {"cachePoint": {"type": "default"}}
    assert asked["system"][1] == asked["toolConfig"]["tools"][1] == asked["messages"][0]["content"][1] == point
    times = [block["cachePoint"].get("ttl") for block in asked["messages"][0]["content"] if "cachePoint" in block]
    assert times == [None, "5m", "1h", "1h"]


def test_media_have_formats_and_sources() -> None:
    """Bytes or an address in S3; documents have names of few characters, no two the same."""
    clip = Media(MediaKind.VIDEO, uri="s3://bucket/clip.3gp")
    sound = Media(MediaKind.AUDIO, b"wav", media_type="audio/x-wav")
    assert turn(Role.USER, PNG, PDF, PDF, clip, sound) == [
        {"image": {"format": "png", "source": {"bytes": "cG5n"}}},
        {"document": {"format": "pdf", "name": "a-b", "source": {"bytes": "cGRm"}}},
        {"document": {"format": "pdf", "name": "a-b (2)", "source": {"bytes": "cGRm"}}},
        {"video": {"format": "three_gp", "source": {"s3Location": {"uri": "s3://bucket/clip.3gp"}}}},
        {"audio": {"format": "wav", "source": {"bytes": "d2F2"}}},
    ]


def test_tools_travel_byte_for_byte() -> None:
    """Schemas, arguments, results with media, and what went wrong."""
    call = Message(Role.ASSISTANT, (Part(ToolCall("c1", "f", '{"q": 1.0}')), Part(ToolCall("c2", "f", ""))))
    json_block = ProviderBlock("bedrock", "json", '{"json":{"a":1.0}}')
    results = (
        ToolResult("c1", (Part(Text("no")), Part(PNG), Part(json_block)), is_error=True),
        ToolResult("c2", (Part(PDF),)),
    )
    tool = Tool(FunctionTool("f", "does", SCHEMA, strict=True))
    web = Tool(ProviderBlock("bedrock", "systemTool", '{"systemTool":{"name":"nova_grounding"}}'))
    sent = text(Prompt((HI, call, Message(Role.USER, tuple(map(Part, results)))), tools=(tool, web)))
    assert '"inputSchema":{"json":' + SCHEMA + '},"strict":true' in sent
    assert '{"systemTool":{"name":"nova_grounding"}}' in sent
    assert '"input":{"q": 1.0}}},{"toolUse":{"toolUseId":"c2","name":"f","input":{}}}' in sent
    assert '"status":"error"' in sent
    found = json.loads(sent)["messages"][2]["content"]
    assert [list(block) for block in found[0]["toolResult"]["content"]] == [["text"], ["image"], ["json"]]
    assert "status" not in found[1]["toolResult"]


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (None, {}),
        (ToolChoice(ToolMode.AUTO), {"auto": {}}),
        (ToolChoice(ToolMode.REQUIRED), {"any": {}}),
        (ToolChoice(name="f"), {"tool": {"name": "f"}}),
    ],
)
def test_tool_choice(choice: ToolChoice | None, wanted: dict[str, Any]) -> None:
    """Any, one by name, or as the model likes."""
    asked = body(Prompt((HI,), tools=(function("f"),), tool_choice=choice))
    assert asked["toolConfig"].get("toolChoice", {}) == wanted


def test_tools_that_must_not_be_called_are_not_there() -> None:
    """Converse has no word for it."""
    assert "toolConfig" not in body(Prompt((HI,), tools=(function("f"),), tool_choice=ToolChoice(ToolMode.NONE)))


def test_a_schema_is_a_string() -> None:
    """So it arrives as it was written."""
    asked = body(Prompt((HI,), response_format=JsonSchemaFormat("n", SCHEMA, "d", strict=True)))
    described = {"name": "n", "schema": SCHEMA, "description": "d"}
    assert asked["outputConfig"]["textFormat"] == {"type": "json_schema", "structure": {"jsonSchema": described}}


def test_an_assistants_turn_goes_back_as_it_came() -> None:
    """Signed and encrypted thinking, cited text; not the thinking or the citations of others."""
    signed = Part(Reasoning("hm"), opaque=OpaqueState("bedrock", "", "signature", b"sig"))
    redacted = Part(Reasoning(""), opaque=OpaqueState("bedrock", "", "redacted", b"\x00\xff"))
    foreign = Part(Reasoning("psst"), opaque=OpaqueState("anthropic", "", "", b"x"))
    ours = Part(Text("So."), citations=(Citation(provider_json='{"title":"T", "source":"s"}'),))
    theirs = Part(Text("Or."), citations=(Citation(provider_json='{"type":"char_location"}'),))
    assert turn(Role.ASSISTANT, signed, redacted, foreign, Reasoning("bare"), ours, theirs) == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "AP8="}},
        {"citationsContent": {"content": [{"text": "So."}], "citations": [{"title": "T", "source": "s"}]}},
        {"text": "Or."},
    ]


HARD = ReasoningOptions(effort=ReasoningEffort.HIGH)
THINKER = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
USED = Message(Role.ASSISTANT, (Part(ToolCall("c", "f", "{}")),))


@pytest.mark.parametrize(
    ("prompt", "model"),
    [
        (Prompt((HI,), sampling=Sampling(top_k=1)), LLAMA),
        (Prompt((HI,), reasoning=ReasoningOptions(budget_tokens=9)), NOVA),
        (Prompt((HI,), response_format=JsonObjectFormat()), CLAUDE),
        (Prompt((HI,), tools=(function("f"),), tool_choice=ToolChoice(parallel=False)), CLAUDE),
        (Prompt((HI, USED), tools=(function("f"),), tool_choice=ToolChoice(ToolMode.NONE)), CLAUDE),
        (Prompt((HI,), system=(Part(PNG),)), CLAUDE),
        (Prompt((HI,), sampling=Sampling(temperature=0.2), reasoning=HARD), THINKER),
        (Prompt((HI,), sampling=Sampling(top_p=0.5), reasoning=HARD), THINKER),
        (Prompt((HI,), sampling=Sampling(top_k=5), reasoning=HARD), THINKER),
        (Prompt((HI,), reasoning=HARD, tools=(function("f"),), tool_choice=ToolChoice(name="f")), THINKER),
        (Prompt((HI,), reasoning=HARD, tools=(function("f"),), tool_choice=ToolChoice(ToolMode.REQUIRED)), THINKER),
        *(
            (Prompt((Message(Role.USER, (Part(kind),)),)), CLAUDE)
            for kind in (
                Media(MediaKind.IMAGE, uri="https://x/y.png"),
                Media(MediaKind.IMAGE, provider_file_id="f"),
                Media(MediaKind.IMAGE, b"b", media_type="image/bmp"),
                Media(MediaKind.DOCUMENT, b"z", media_type="application/zip", filename="a.pdf"),
                ProviderBlock("anthropic", "x", "{}"),
            )
        ),
    ],
)
def test_what_it_cannot_carry_is_refused(prompt: Prompt, model: str) -> None:
    """Another provider may carry it."""
    with pytest.raises(BackendError) as error:
        body(prompt, model)
    assert error.value.failure is Failure.UNSUPPORTED


def test_titan_embeds_one_input_at_a_time() -> None:
    """In order, each with its own usage; no more than it may."""
    titan = wire("amazon.titan-embed-text-v2:0", params={"normalize": False})
    batches = titan.batches(EmbedPrompt(("a", "b"), InputType.QUERY, 256))
    assert [json.loads(batch.outgoing.body) for batch in batches] == [
        {"normalize": False, "inputText": "a", "dimensions": 256},
        {"normalize": False, "inputText": "b", "dimensions": 256},
    ]
    assert batches[0].outgoing.url.endswith("/model/amazon.titan-embed-text-v2:0/invoke")
    got = titan.embedded(b'{"embedding":[0.5,1],"inputTextTokenCount":3}', batches[0])
    assert ([list(vector.values) for vector in got.vectors], got.usage) == ([[0.5, 1.0]], Usage(3, 0))
    with pytest.raises(BackendError) as error:
        titan.batches(EmbedPrompt(("a",) * 257))
    assert error.value.failure is Failure.TOO_LARGE


def test_titans_pictures() -> None:
    """Its multimodal model has other names for the same."""
    [batch] = wire("amazon.titan-embed-image-v1").batches(EmbedPrompt((PNG,), dimensions=384))
    assert json.loads(batch.outgoing.body) == {"inputImage": "cG5n", "embeddingConfig": {"outputEmbeddingLength": 384}}


@pytest.mark.parametrize(
    ("model", "kind"), [("cohere.embed-english-v3", "image"), ("cohere.embed-v4:0", "search_query")]
)
def test_coheres_vectors(model: str, kind: str) -> None:
    """96 texts at a time, in Cohere's words, but without the model's name."""
    backend = wire(model)
    batches = backend.batches(EmbedPrompt((*map(str, range(97)), PNG), InputType.QUERY))
    assert [batch.count for batch in batches] == [96, 1, 1]
    sent = json.loads(batches[1].outgoing.body)
    assert sent == {"input_type": "search_query", "texts": ["96"], "embedding_types": ["float"]}
    assert json.loads(batches[2].outgoing.body)["input_type"] == kind
    got = backend.embedded(b'{"embeddings":[[1,2]]}', batches[1])
    assert ([list(vector.values) for vector in got.vectors], got.usage) == ([[1.0, 2.0]], None)


@pytest.mark.parametrize("model", ["amazon.titan-embed-text-v2:0", LLAMA])
def test_what_cannot_be_embedded(model: str) -> None:
    """Tokens nowhere, and nothing by a model that only writes."""
    with pytest.raises(BackendError) as error:
        wire(model).batches(EmbedPrompt((TokenIds((1,)),)))
    assert error.value.failure is Failure.UNSUPPORTED
