#!/usr/bin/env python3
"""Alpaca's official Python client, unchanged but for its URLs, against market_sim or trade_stream.

    pip install alpaca-py
    python scripts/clients/alpaca_all.py ws://127.0.0.1:8764 http://127.0.0.1:8764      # the simulator
    python scripts/clients/alpaca_all.py ws://127.0.0.1:8765 http://127.0.0.1:8764      # through trade_stream
    python scripts/clients/alpaca_all.py ws://127.0.0.1:8765 http://127.0.0.1:8764 sip  # of another feed

StockDataStream or CryptoDataStream (msgpack), with objects and with raw data: trades, quotes and bars are subscribed, trades and
quotes must come. The same feed in JSON with `websockets`. TradingStream: an order placed at the
second address must be told as new, partial_fill and fill. Exits 0 when all of it happened.
"""

import asyncio
import json
import os
import sys
import threading

import websockets
from alpaca.data.live import CryptoDataStream, StockDataStream
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest
from alpaca.trading.stream import TradingStream

SECRET = os.environ.get("TRADE_STREAM_TOKEN", "secret")


def data_by_msgpack(url, feed, raw_data):
    symbol = symbols(feed)[0]
    seen = {"trades": 0, "quotes": 0}
    kind = CryptoDataStream if feed == "crypto" else StockDataStream
    stream = kind("key", SECRET, raw_data=raw_data, url_override=url + path(feed))

    async def on_trade(trade):
        if raw_data:
            assert trade["S"] == symbol and trade["p"] > 0 and trade["t"].to_datetime().tzinfo, trade
        else:
            assert trade.symbol == symbol and trade.price > 0 and trade.timestamp.tzinfo, trade
        seen["trades"] += 1
        await enough()

    async def on_quote(quote):
        bid, ask = (quote["bp"], quote["ap"]) if raw_data else (quote.bid_price, quote.ask_price)
        assert 0 < bid < ask, quote
        seen["quotes"] += 1
        await enough()

    async def on_bar(bar):
        assert raw_data or bar.low <= bar.close <= bar.high, bar

    async def enough():
        if min(seen.values()) >= 5:
            await stream.stop_ws()

    stream.subscribe_trades(on_trade, symbol)
    stream.subscribe_quotes(on_quote, symbol)
    stream.subscribe_bars(on_bar, symbols(feed)[-1])
    stream.run()
    form = "raw" if raw_data else "objects"
    print(f"{kind.__name__} of {feed}, msgpack, {form}: {seen['trades']} trades, {seen['quotes']} quotes")


def path(feed):
    return "/v1beta3/crypto/us" if feed == "crypto" else f"/v2/{feed}"


def symbols(feed):
    """The test feed has only one."""
    return {"test": ["FAKEPACA"], "crypto": ["BTC/USD", "ETH/USD"]}.get(feed, ["AAPL", "TSLA", "SPY"])


async def data_by_json(url, feed):
    symbol = symbols(feed)[-1]
    async with websockets.connect(url + path(feed)) as socket:
        assert json.loads(await socket.recv())[0]["msg"] == "connected"
        await socket.send(json.dumps({"action": "auth", "key": "other", "secret": SECRET}))
        assert json.loads(await socket.recv())[0]["msg"] == "authenticated"
        await socket.send(json.dumps({"action": "subscribe", "trades": [symbol], "bars": [symbol]}))
        told = json.loads(await socket.recv())[0]
        assert told["T"] == "subscription" and told["trades"] == [symbol] and told["bars"] == [symbol], told
        assert feed in ("test", "crypto") or told["cancelErrors"] == [symbol], told
        trades = 0
        while trades < 5:
            trades += sum(one["T"] == "t" for one in json.loads(await socket.recv()))
    print(f"websockets, JSON, {feed}: {trades} trades")


def orders(url, rest):
    events = []
    stream = TradingStream("key", SECRET, paper=True, url_override=url + "/stream")

    async def on_update(update):
        events.append(getattr(update.event, "value", update.event))
        if "fill" in events:
            await stream.stop_ws()

    def place():
        client = TradingClient("key", "secret", paper=True, url_override=rest)
        client.submit_order(MarketOrderRequest(symbol="AAPL", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.DAY))

    stream.subscribe_trade_updates(on_update)
    threading.Timer(3, place).start()
    stream.run()
    assert events == ["new", "partial_fill", "fill"], events
    print(f"TradingStream: {', '.join(events)}")


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8765"
    rest = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8764"
    deadline = threading.Timer(180, lambda: os._exit(1))
    deadline.daemon = True
    deadline.start()
    feed = sys.argv[3] if len(sys.argv) > 3 else "iex"
    for raw_data in (False, True):
        data_by_msgpack(url, feed, raw_data)
    asyncio.run(data_by_json(url, feed))
    orders(url, rest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
