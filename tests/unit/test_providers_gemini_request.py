"""What a prompt becomes on Google's wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quickthorn_server.core.catalogue import Backend
from quickthorn_server.core.content import (
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
from quickthorn_server.core.failures import BackendError, Failure
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
from quickthorn_server.providers.gemini import GeminiFormat
from quickthorn_server.providers.vertex import VertexFormat

CALL = ToolCall("c", "f", "{}")
SCHEMA = '{"type":"object", "properties":{"z":{"minimum":40.0},"a":{"const":1e2}}}'
FILES = "https://generativelanguage.googleapis.com/v1beta/files/"


def said(role: Role, *kinds: Kind) -> Message:
    return Message(role, tuple(Part(kind) for kind in kinds))


def ask(*messages: Message, **more: Any) -> Prompt:
    return Prompt(messages or (said(Role.USER, Text("hi")),), **more)


def wire(provider: str = "gemini", model: str = "gemini-2.5-flash", **more: Any) -> GeminiFormat | VertexFormat:
    backend = Backend("b", provider, model, model, **more)
    return GeminiFormat(backend) if provider == "gemini" else VertexFormat(backend)


def text(prompt: Prompt, **more: Any) -> str:
    return wire(**more).request(prompt, whole=True).body.decode()


def body(prompt: Prompt, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(prompt, **more))
    return found


def turns(*messages: Message, **more: Any) -> Any:
    return body(ask(*messages), **more)["contents"]


def refused(prompt: Prompt, **more: Any) -> Failure:
    with pytest.raises(BackendError) as caught:
        text(prompt, **more)
    return caught.value.failure


def test_a_plain_question_says_nothing_but_itself() -> None:
    """What the caller leaves open is left to Google."""
    assert body(ask()) == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def test_everything_a_request_can_say_is_said() -> None:
    """Tunables, schema, tools and system under Google's names; JSON of the caller's byte for byte."""
    prompt = ask(
        said(Role.SYSTEM, Text("too")),
        said(Role.USER, Text("hi")),
        said(Role.SYSTEM, Text("later")),
        system=(Part(Text("be brief")),),
        tools=(
            Tool(ProviderBlock("gemini", "googleSearch", '{"googleSearch": {}}')),
            Tool(FunctionTool("f", "does", SCHEMA)),
            Tool(FunctionTool("g")),
        ),
        tool_choice=ToolChoice(ToolMode.REQUIRED),
        response_format=JsonSchemaFormat("n", SCHEMA, "d", strict=True),
        sampling=Sampling(9, 0.5, 0.25, 3, 0.1, 0.2, 7, ("a", "b")),
        reasoning=ReasoningOptions(budget_tokens=0, show=True),
    )
    sent = body(prompt)
    assert sent["systemInstruction"] == {"parts": [{"text": "be brief"}, {"text": "too"}]}
    assert [turn["parts"] for turn in sent["contents"]] == [[{"text": "hi"}], [{"text": "later"}]]
    assert sent["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "does", "parametersJsonSchema": json.loads(SCHEMA)},
                {"name": "g"},
            ]
        },
        {"googleSearch": {}},
    ]
    assert sent["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    assert sent["generationConfig"] == {
        "maxOutputTokens": 9,
        "temperature": 0.5,
        "topP": 0.25,
        "topK": 3,
        "frequencyPenalty": 0.1,
        "presencePenalty": 0.2,
        "seed": 7,
        "stopSequences": ["a", "b"],
        "responseMimeType": "application/json",
        "responseJsonSchema": json.loads(SCHEMA),
        "thinkingConfig": {"thinkingBudget": 0, "includeThoughts": True},
    }
    assert text(prompt).count(SCHEMA) == 2
    assert text(prompt).count('{"googleSearch": {}}') == 1
    assert body(ask(response_format=JsonObjectFormat()))["generationConfig"] == {"responseMimeType": "application/json"}


@pytest.mark.parametrize(
    ("choice", "strict", "expected"),
    [
        (ToolChoice(ToolMode.AUTO), None, {"mode": "AUTO"}),
        (ToolChoice(ToolMode.NONE), None, {"mode": "NONE"}),
        (ToolChoice(name="f", parallel=True), True, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice(ToolMode.REQUIRED), True, {"mode": "ANY"}),
        (ToolChoice(ToolMode.AUTO), True, {"mode": "VALIDATED"}),
        (None, True, {"mode": "VALIDATED"}),
        (None, False, None),
    ],
)
def test_a_choice_of_tools_is_a_mode(choice: ToolChoice | None, strict: bool | None, expected: Any) -> None:
    """Strict tools that may be called are VALIDATED: Google knows no strictness of one tool."""
    sent = body(ask(tools=(Tool(FunctionTool("f", strict=strict)),), tool_choice=choice))
    assert sent.get("toolConfig", {}).get("functionCallingConfig") == expected


def test_vertex_knows_no_validated_calls() -> None:
    """Its released version has AUTO, ANY and NONE."""
    assert "toolConfig" not in body(ask(tools=(Tool(FunctionTool("f", strict=True)),)), provider="vertex")


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("gemini-2.5-flash", [0, 1024, 1024, 8192, 24576, 24576]),
        ("gemini-2.5-pro", [128, 1024, 1024, 8192, 24576, 32768]),
        ("gemini-3-pro-preview", ["low", "low", "low", "high", "high", "high"]),
        ("gemini-3.1-pro-preview", ["low", "low", "low", "medium", "high", "high"]),
        ("gemini-3-flash-preview", ["minimal", "minimal", "low", "medium", "high", "high"]),
        ("gemini-flash-latest", ["low", "low", "low", "medium", "high", "high"]),
    ],
)
def test_effort_is_said_in_the_terms_of_the_models_age(model: str, efforts: list[Any]) -> None:
    """Budgets before Gemini 3, levels since; what cannot stop to think thinks as little as it can."""
    name = "thinkingBudget" if isinstance(efforts[0], int) else "thinkingLevel"
    for effort, expected in zip(ReasoningEffort, efforts, strict=True):
        sent = body(ask(reasoning=ReasoningOptions(effort)), model=model)
        assert sent["generationConfig"] == {"thinkingConfig": {name: expected}}


def test_a_budget_says_more_than_an_effort_and_old_models_show_nothing() -> None:
    """Both at once are refused; a model that cannot think is not asked to show it."""
    both = ReasoningOptions(ReasoningEffort.HIGH, 500)
    assert body(ask(reasoning=both), model="gemini-3-pro")["generationConfig"] == {
        "thinkingConfig": {"thinkingBudget": 500}
    }
    for model in ("gemini-2.0-flash", "gemma-3-27b-it"):
        assert "generationConfig" not in body(ask(reasoning=ReasoningOptions(show=True)), model=model)


def test_media_goes_inline_by_address_or_as_an_uploaded_file() -> None:
    """An uploaded file is known by where it is, by its name or by the end of it."""
    media = (
        Media(MediaKind.IMAGE, data=b"\xff\xef", media_type="image/png"),
        Media(MediaKind.VIDEO, uri="https://v/1", media_type="video/mp4"),
        *(Media(MediaKind.DOCUMENT, provider_file_id=name) for name in ("files/x", "x", FILES + "x")),
    )
    assert turns(said(Role.USER, *media))[0]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "/+8="}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "https://v/1"}},
        *[{"fileData": {"fileUri": FILES + "x"}}] * 3,
    ]


PICTURE = Media(MediaKind.IMAGE, data=b"\x00", media_type="image/png")
SHOWN = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}


def test_results_answer_their_calls_by_name_in_one_turn() -> None:
    """An object is the response as it is, words are its output; identifiers that we made up do not go back."""
    calls = (ToolCall("call_R_0", "f", '{"a" :1.0}'), ToolCall("toolu_7", "g", ""))
    results = (
        ToolResult("toolu_7", (Part(Text("broke")),), is_error=True),
        ToolResult("call_R_0", (Part(Text(' {"k": 1.0}')),)),
        ToolResult("toolu_7", (Part(Text("a")), Part(Text("b")))),
        ToolResult("toolu_7", (Part(Text("{}")),), is_error=True),
        ToolResult("toolu_7", ()),
    )
    sent = turns(said(Role.ASSISTANT, *calls), *(said(Role.USER, result) for result in results))
    assert [turn["role"] for turn in sent] == ["model", "user"]
    assert sent[0]["parts"] == [
        {"functionCall": {"name": "f", "args": {"a": 1.0}}},
        {"functionCall": {"id": "toolu_7", "name": "g", "args": {}}},
    ]
    assert [part["functionResponse"] for part in sent[1]["parts"]] == [
        {"id": "toolu_7", "name": "g", "response": {"error": "broke"}},
        {"name": "f", "response": {"k": 1.0}},
        {"id": "toolu_7", "name": "g", "response": {"output": ["a", "b"]}},
        {"id": "toolu_7", "name": "g", "response": {"error": "{}"}},
        {"id": "toolu_7", "name": "g", "response": {"output": ""}},
    ]
    assert '"args":{"a" :1.0}' in text(ask(said(Role.ASSISTANT, *calls)))


@pytest.mark.parametrize("model", ["gemini-2.5-pro", "gemini-3-pro-preview"])
def test_media_of_a_tool_stands_in_its_result_since_gemini_3(model: str) -> None:
    """Before, it stands beside it."""
    result = ToolResult("c", (Part(Text("see")), Part(PICTURE)))
    call = Message(Role.ASSISTANT, (Part(ToolCall("c", "f", "{}"), opaque=OpaqueState("gemini", "", "", b"s")),))
    parts = turns(call, said(Role.USER, result), model=model)[1]["parts"]
    response = {"id": "c", "name": "f", "response": {"output": "see"}}
    if model.startswith("gemini-3"):
        assert parts == [{"functionResponse": {**response, "parts": [SHOWN]}}]
    else:
        assert parts == [{"functionResponse": response}, SHOWN]


def test_calls_of_another_model_are_excused_from_signatures() -> None:
    """Gemini 3 refuses unsigned calls; the first one of a turn speaks for all, and older models are not bothered."""
    calls = said(Role.ASSISTANT, Text("so"), ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))
    parts = turns(calls, model="gemini-3-pro")[0]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [None, "skip_thought_signature_validator", None]
    assert "skip_thought" not in json.dumps(turns(calls))
    own = Message(Role.ASSISTANT, (Part(CALL), Part(CALL, opaque=OpaqueState("gemini", "", "", b"c2ln"))))
    parts = turns(own, model="gemini-3-pro")[0]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [None, "c2ln"]


def test_words_of_every_kind_are_carried() -> None:
    """Thinking is marked as such, a refusal is what was said, sources are no words."""
    sources = said(Role.ASSISTANT, ProviderBlock("gemini", "groundingMetadata", "{}"))
    sent = turns(said(Role.ASSISTANT, Reasoning("hm"), Refusal("no"), Text("but")), sources)
    assert len(sent) == 1
    assert sent[0]["parts"] == [{"text": "hm", "thought": True}, {"text": "no"}, {"text": "but"}]


@pytest.mark.parametrize(
    ("prompt", "more"),
    [
        (ask(said(Role.USER, ProviderBlock("openai", "x", "{}"))), {}),
        (ask(said(Role.USER, ProviderBlock("gemini", "x", "{}"))), {"provider": "vertex"}),
        (ask(tools=(Tool(ProviderBlock("openai", "x", "{}")),)), {}),
        (ask(Message(Role.USER, (Part(Text("a"), opaque=OpaqueState("openai", "", "", b"x")),))), {}),
        (ask(system=(Part(PICTURE),)), {}),
        (ask(said(Role.ASSISTANT, ToolCall("c", "f", '{"a":'))), {}),
        (ask(said(Role.ASSISTANT, ToolCall("c", "f", "[1]"))), {}),
        (ask(said(Role.USER, ToolResult("c", ()))), {}),
        (ask(said(Role.USER, Media(MediaKind.IMAGE, provider_file_id="x"))), {"provider": "vertex"}),
        (ask(tools=(Tool(FunctionTool("f")),), tool_choice=ToolChoice(parallel=False)), {}),
    ],
)
def test_what_cannot_be_carried_is_refused(prompt: Prompt, more: dict[str, Any]) -> None:
    """Another backend may carry it."""
    assert refused(prompt, **more) is Failure.UNSUPPORTED


def test_defaults_fill_what_is_open_and_the_callers_options_win() -> None:
    """Settings nest by themselves; options go into nested objects member by member, byte for byte; null leaves out."""
    params = {
        "temperature": 0.2,
        "top_p": 0.9,
        "max_output_tokens": 50,
        "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True},
        "safetySettings": [{"category": "X"}],
        "toolConfig": {"retrievalConfig": {"languageCode": "de"}},
        "seed": None,
    }
    options = '{"cachedContent": "c/1", "generationConfig": {"temperature":1e0, "mediaResolution":"LOW"}}'
    prompt = ask(
        tools=(Tool(FunctionTool("f")),),
        tool_choice=ToolChoice(ToolMode.AUTO),
        sampling=Sampling(max_output_tokens=9),
        reasoning=ReasoningOptions(budget_tokens=7),
        provider_options_json={"gemini": options, "vertex": "{}"},
    )
    sent = body(prompt, params=params)
    assert sent["generationConfig"] == {
        "temperature": 1.0,
        "topP": 0.9,
        "maxOutputTokens": 9,
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 7},
        "mediaResolution": "LOW",
    }
    assert sent["toolConfig"] == {
        "retrievalConfig": {"languageCode": "de"},
        "functionCallingConfig": {"mode": "AUTO"},
    }
    assert (sent["cachedContent"], sent["safetySettings"]) == ("c/1", [{"category": "X"}])
    assert '"temperature":1e0' in text(prompt, params=params)
    assert refused(ask(provider_options_json={"gemini": "[]"})) is Failure.INVALID


GOOGLE, VERTEX = "https://generativelanguage.googleapis.com", "https://aiplatform.googleapis.com"
PLACE = {"project": "p", "location": "us-east5"}
OF_P = "/projects/p/locations/us-east5/publishers/google/models/m:generateContent"


@pytest.mark.parametrize(
    ("provider", "more", "url"),
    [
        ("gemini", {}, GOOGLE + "/v1beta/models/m:generateContent"),
        ("gemini", {"model": "tunedModels/t"}, GOOGLE + "/v1beta/tunedModels/t:generateContent"),
        (
            "gemini",
            {"model": "tunedModels/a b?c#dé"},
            f"{GOOGLE}/v1beta/tunedModels/a%20b%3Fc%23d%C3%A9:generateContent",
        ),
        ("gemini", {"base_url": "http://h/g/"}, "http://h/g/v1beta/models/m:generateContent"),
        ("gemini", {"base_url": "http://h/v1beta"}, "http://h/v1beta/models/m:generateContent"),
        ("gemini", {"base_url": "http://h/v1/"}, "http://h/v1/models/m:generateContent"),
        ("gemini", {"base_url": "http://h/v1", "path": "/x/y:generateContent"}, "http://h/v1/x/y:generateContent"),
        ("vertex", {"options": PLACE}, f"https://us-east5-aiplatform.googleapis.com/v1{OF_P}"),
        ("vertex", {"options": PLACE, "base_url": "http://h/v1beta1"}, f"http://h/v1beta1{OF_P}"),
        ("vertex", {"options": PLACE | {"location": "global"}}, f"{VERTEX}/v1{OF_P}".replace("us-east5", "global")),
        (
            "vertex",
            {"options": PLACE | {"location": "eu"}},
            f"https://aiplatform.eu.rep.googleapis.com/v1{OF_P}".replace("us-east5", "eu"),
        ),
        ("vertex", {}, f"{VERTEX}/v1/publishers/google/models/m:generateContent"),
        (
            "vertex",
            {"options": PLACE, "model": "endpoints/12"},
            "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/endpoints/12:generateContent",
        ),
    ],
)
def test_a_model_is_asked_where_it_is(provider: str, more: dict[str, Any], url: str) -> None:
    """Whatever address is configured, with a version or without; streams are asked for as events."""
    found = wire(provider, **{"model": "m", **more})
    assert found.request(ask(), whole=True).url == url
    streamed = url.replace(":generateContent", ":streamGenerateContent?alt=sse")
    assert found.request(ask(), whole=False).url == streamed


@pytest.mark.parametrize(
    ("provider", "options", "key", "header"),
    [
        ("gemini", {}, "k3y", ("x-goog-api-key", "k3y")),
        ("vertex", PLACE, "k3y", ("Authorization", "Bearer k3y")),
        ("vertex", PLACE, "AIza9", ("x-goog-api-key", "AIza9")),
        ("vertex", {}, "k3y", ("x-goog-api-key", "k3y")),
    ],
)
def test_the_key_stands_in_one_header_and_never_in_the_address(
    provider: str, options: dict[str, str], key: str, header: tuple[str, str]
) -> None:
    """Addresses are logged everywhere; a backend's own headers come last."""
    headers = {"X-Own": "1"}
    sent = wire(provider, options=options, api_key=Secret(key), headers=headers).request(ask(), whole=False)
    assert sent.headers == {"Content-Type": "application/json", header[0]: header[1], "X-Own": "1"}
    assert key not in sent.url
