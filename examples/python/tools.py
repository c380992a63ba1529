"""Let a model call a function of yours, and answer it until it is done."""

import json

from quickthorn import Client, text, tool_calls, tool_result
from quickthorn.messages import Message, Part, ToolCall

WEATHER = {
    "name": "weather",
    "description": "The weather in a city, now.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
"""A JSON Schema travels byte for byte, in the order of its keys."""

LONGEST = 10
"""Messages: some models never stop calling."""


def answered(call: ToolCall) -> Part:
    """Run the function that *call* names; what goes wrong is told to the model, which may try again."""
    try:
        city = json.loads(call.arguments_json)["city"]
    except (ValueError, KeyError, TypeError) as error:
        return tool_result(call, f"bad arguments: {error}", is_error=True)
    return tool_result(call, f"{city}: 12 degrees and rain")


def main() -> None:
    """Hold the conversation."""
    conversation: list[Message | tuple[str, str | list[Part]]] = [("user", "Do I need an umbrella in Bergen?")]
    # begin tools
    with Client() as client:
        completion = client.complete(conversation, tools=[WEATHER])
        while (calls := tool_calls(completion)) and len(conversation) < LONGEST:
            print(f"-- {[f'{call.name}({call.arguments_json})' for call in calls]}")
            # The answer goes back as it came, all of its parts; results are parts of one message of the user's.
            conversation += [completion.message, ("user", [answered(call) for call in calls])]
            completion = client.complete(conversation, tools=[WEATHER])
        print(text(completion))
    # end tools


if __name__ == "__main__":
    main()
