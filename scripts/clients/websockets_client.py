#!/usr/bin/env python3
"""A client that nobody here wrote (websockets from PyPI) goes through the stream's protocol.

    pip install websockets
    python scripts/clients/websockets_client.py [ws://127.0.0.1:8766] [AAPL]

Prints one line for each kind of message it saw; exits 0 only if it saw them all.
"""

import asyncio
import json
import sys

import websockets

DEADLINE_S = 60


class Client:
    def __init__(self, socket):
        self.socket = socket
        self.seen = {}

    async def ask(self, **request):
        await self.socket.send(json.dumps(request))

    async def until(self, kind):
        """The next message of this kind; all others on the way are noted too."""
        while True:
            message = json.loads(await self.socket.recv())
            if message["type"] not in self.seen:
                self.seen[message["type"]] = message
                print(f"{message['type']:>12}  {json.dumps(message)}", flush=True)
            if message["type"] == kind:
                return message


async def converse(url, symbol):
    async with websockets.connect(url) as socket:
        client = Client(socket)
        await client.ask(action="ping")
        was_connected = (await client.until("pong"))["alpaca_connected"]
        await client.ask(action="subscribe", symbol=symbol.lower())
        assert (await client.until("subscribed"))["symbol"] == symbol
        trade = await client.until("trade")
        assert trade["symbol"] == symbol and trade["data"]["price"] > 0, trade
        await client.ask(action="health")
        health = await client.until("health")
        assert health["healthy"] and symbol in health["active_symbols"], health
        await client.ask(action="unsubscribe", symbol=symbol)
        await client.until("unsubscribed")
        await client.ask(action="nonsense")
        assert (await client.until("error"))["code"] == "bad_request"
        expected = {"pong", "subscribed", "trade", "health", "unsubscribed", "error"}
        if not was_connected:
            expected.add("connecting")
        missing = expected - client.seen.keys()
        assert not missing, f"never saw {', '.join(sorted(missing))}"


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8766"
    symbol = sys.argv[2] if len(sys.argv) > 2 else "AAPL"
    try:
        asyncio.run(asyncio.wait_for(converse(url, symbol), DEADLINE_S))
    except (AssertionError, OSError, TimeoutError, asyncio.TimeoutError, websockets.WebSocketException) as error:
        print(f"websockets {websockets.__version__} at {url}: {error!r}", file=sys.stderr)
        return 1
    print(f"websockets {websockets.__version__} at {url}: all messages seen")
    return 0


if __name__ == "__main__":
    sys.exit(main())
