"""The same work on Python and `websockets`, well written: `broadcast`, each trade written once.

python py_websockets.py PORT UPSTREAM_PORT
"""
import asyncio, json, sys
from websockets.asyncio.client import connect
from websockets.asyncio.server import broadcast, serve

PORT, UPSTREAM = int(sys.argv[1]), int(sys.argv[2])
NAMES = {"V": "IEX", "Q": "NASDAQ"}
topics, numbers = {}, {}
upstream = reading = None


async def read():
    global upstream
    async with connect(f"ws://127.0.0.1:{UPSTREAM}/v2/iex", compression=None, max_size=None) as socket:
        async for message in socket:
            for one in json.loads(message):
                if one["T"] == "t":
                    trade(one)
                elif one.get("msg") == "connected":
                    await socket.send('{"action":"auth","key":"k","secret":"s"}')
                elif one.get("msg") == "authenticated":
                    upstream = socket
                    await want(list(topics))


async def want(symbols):
    if upstream:
        await upstream.send(json.dumps({"action": "subscribe", "trades": symbols}))


def trade(one):
    symbol = one["S"]
    numbers[symbol] += 1
    data = {"timestamp": one["t"], "price": one["p"], "size": one["s"],
            "exchange": NAMES.get(one["x"], one["x"]), "conditions": one["c"]}
    message = {"type": "trade", "symbol": symbol, "data": data, "seq": numbers[symbol]}
    broadcast(topics[symbol], json.dumps(message, separators=(",", ":")))


async def client(socket):
    global reading
    async for message in socket:
        asked = json.loads(message)
        symbol = asked["symbol"]
        if asked["action"] != "subscribe":
            continue
        if symbol not in topics:
            topics[symbol], numbers[symbol] = set(), 0
            reading = reading or asyncio.create_task(read())
            await want([symbol])
        topics[symbol].add(socket)
        await socket.send(json.dumps({"type": "subscribed", "symbol": symbol, "message": f"Subscribed to {symbol} trades"},
                                     separators=(",", ":")))


async def main():
    async with serve(client, "127.0.0.1", PORT, compression=None, write_limit=1 << 22, backlog=4096):
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
