"""Print an answer as it is written, then say what it took: synchronously, and the same with asyncio."""

import asyncio

from quickthorn import AsyncClient, Client

PROMPT = "Tell me a story in three sentences."


def synchronous() -> None:
    """Print the pieces of text as they come."""
    # begin stream
    with Client() as client, client.stream(PROMPT, max_output_tokens=80) as events:
        for piece in events.text():
            print(piece, end="", flush=True)
        completion = events.fold()  # what was shown, whole, and what only the end knows
    print(f"\n-- {completion.usage.output_tokens} tokens, request {completion.request_id}")
    # end stream


async def asynchronous() -> None:
    """Look at every event: not only text, also who serves, reasoning, tool calls, parts that come whole."""
    # begin events
    async with AsyncClient() as client, client.stream(PROMPT, max_output_tokens=80) as events:
        async for event in events:
            match event.WhichOneof("event"):
                case "started":
                    print(f"-- {event.started.backend} answers")
                case "text":
                    print(event.text.text, end="", flush=True)
                case "finished":
                    print(f"\n-- {event.finished.usage.output_tokens} tokens")
    # end events


if __name__ == "__main__":
    synchronous()
    asyncio.run(asynchronous())
