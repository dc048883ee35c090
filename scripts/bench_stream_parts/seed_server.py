"""A stand-in for the trade_stream_server.py of the owner's notes: alpaca-py's StockDataStream, a handler
that awaits a send for each client of the symbol, one after the other, and json.dumps once per trade.

python seed_server.py PORT UPSTREAM_PORT
"""
import asyncio, json, sys
import websockets
from alpaca.data.live import StockDataStream

PORT, UPSTREAM = int(sys.argv[1]), int(sys.argv[2])


class TradeStreamServer:
    def __init__(self):
        self.subscriptions, self.stream, self.running = {}, None, None

    async def on_trade(self, trade):
        data = {"timestamp": trade.timestamp.isoformat(), "price": float(trade.price), "size": int(trade.size),
                "exchange": str(trade.exchange) if trade.exchange else None, "conditions": trade.conditions or []}
        await self.broadcast_trade(trade.symbol, {"type": "trade", "symbol": trade.symbol, "data": data})

    async def broadcast_trade(self, symbol, message):
        text = json.dumps(message, separators=(",", ":"))
        gone = set()
        for client in list(self.subscriptions.get(symbol, ())):
            try:
                await client.send(text)
            except websockets.ConnectionClosed:
                gone.add(client)
        self.subscriptions[symbol] -= gone

    async def subscribe_symbol(self, client, symbol):
        is_new = symbol not in self.subscriptions
        self.subscriptions.setdefault(symbol, set()).add(client)
        if self.stream is None:
            self.stream = StockDataStream("key", "secret", url_override=f"ws://127.0.0.1:{UPSTREAM}")
            self.stream.subscribe_trades(self.on_trade, symbol)
            self.running = asyncio.create_task(self.stream._run_forever())
        elif is_new:
            # In a thread of an executor, as the notes have it: the call waits for the stream's loop.
            await asyncio.get_running_loop().run_in_executor(None, self.stream.subscribe_trades, self.on_trade, symbol)
        await client.send(json.dumps({"type": "subscribed", "symbol": symbol, "message": f"Subscribed to {symbol} trades"},
                                     separators=(",", ":")))

    async def handle_client(self, client):
        async for message in client:
            asked = json.loads(message)
            if asked.get("action") == "subscribe":
                await self.subscribe_symbol(client, asked["symbol"].upper())


async def main():
    async with websockets.serve(TradeStreamServer().handle_client, "127.0.0.1", PORT, backlog=4096):
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
