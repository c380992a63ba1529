"""Stop answers early, each in its own way.  The server closes its connection to the provider at once every time."""

import asyncio

from quickthorn import AsyncClient, Client, QuickthornError

PROMPT = "Count from one to one thousand, in words."


def enough() -> None:
    """Leave the loop."""
    with Client() as client, client.stream(PROMPT) as events:
        for piece in events.text():
            print(piece, end="", flush=True)
            if "five" in piece:
                break
    print("\n-- that was enough")


def too_slow() -> None:
    """Let a deadline pass: *timeout* is in seconds and bounds everything, on both sides of the wire."""
    with Client() as client:
        try:
            client.complete(PROMPT, timeout=0.2)
        except QuickthornError as error:
            print(f"-- {error.code.name}, said by the server: {error.from_server}")


async def not_wanted_any_more() -> None:
    """Cancel the task that waits; CancelledError stays CancelledError."""
    async with AsyncClient() as client:
        answer = asyncio.create_task(client.complete(PROMPT))
        await asyncio.sleep(0.2)
        answer.cancel()
        await asyncio.wait([answer])
        print(f"-- cancelled: {answer.cancelled()}")


if __name__ == "__main__":
    enough()
    too_slow()
    asyncio.run(not_wanted_any_more())
