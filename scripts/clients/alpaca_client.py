#!/usr/bin/env python3
"""Alpaca's own Python client, unchanged but for its URL, gets trades from trade_stream.

    pip install alpaca-py
    python scripts/clients/alpaca_client.py [ws://127.0.0.1:8765/v2/iex] [AAPL]

Its StockDataStream always speaks msgpack. Exits 0 once it has had trades and has unsubscribed.
TRADE_STREAM_TOKEN is sent as the secret where the stream asks for one.
"""

import logging
import os
import sys
import threading

from alpaca.data.live import StockDataStream

DEADLINE_S = 60
TRADES = 5


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8765/v2/iex"
    symbol = sys.argv[2] if len(sys.argv) > 2 else "AAPL"
    logging.basicConfig(level=logging.INFO)
    stream = StockDataStream("key", os.environ.get("TRADE_STREAM_TOKEN", "secret"), url_override=url)
    trades = []

    async def on_trade(trade):
        trades.append(trade)
        if len(trades) == TRADES:
            await stream.stop_ws()

    stream.subscribe_trades(on_trade, symbol)
    deadline = threading.Timer(DEADLINE_S, lambda: os._exit(1))
    deadline.daemon = True
    deadline.start()
    stream.run()
    deadline.cancel()
    for trade in trades:
        assert trade.symbol == symbol and trade.price > 0 and trade.timestamp.tzinfo, trade
        print(f"{trade.timestamp.isoformat()} {trade.symbol} {trade.price} x {trade.size} at {trade.exchange}")
    return 0 if len(trades) >= TRADES else 1


if __name__ == "__main__":
    sys.exit(main())
