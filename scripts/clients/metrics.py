#!/usr/bin/env python3
"""What each worker tells at /metrics, read by Prometheus' own parser, and compared with its `health`.

    pip install prometheus_client websockets
    python scripts/clients/metrics.py ws://127.0.0.1:8765 ws://127.0.0.1:8766 ws://127.0.0.1:8764

Subscribes through the proxy first, so that there is something to count. Exits 0 only if every figure that
is promised is there, and what both tell is the same.
"""

import asyncio
import json
import sys
import urllib.request

import websockets
from prometheus_client.parser import text_string_to_metric_families

STREAM = """clients symbols queue_bytes missed slow_closed trades_in trades_out data_in replays duplicate_trades
backfilled_trades backfills gaps mute_alarms renewed_symbols slow_client quarantined order_updates
upstream_connected upstream_silence_seconds upstream_reconnects upstream_round_trip_seconds
upstream_alarm_after_seconds upstream_flapping latency_seconds feed_latency_seconds"""
PROXY = """browsers connected refused kept reconnects gave_up asked_again trades gaps bytes_down bytes_up queue_bytes
away_seconds dial_seconds"""
SIM = """connections logins trades_made messages_out items_out open most_open errors refused"""
# What `health` calls it, and what the metrics do; counts that move on are compared as "no less, and not by much".
SAME = {"trades_in": "trades_in", "trades_out": "trades_out", "missed": "missed", "replays": "replays",
        "queue_bytes": "queue_bytes", "data_in": "data_in", "backfilled": "backfilled_trades",
        "mute_alarms": "mute_alarms", "renewed_symbols": "renewed_symbols", "slow_client": "slow_client",
        "slow_closed": "slow_closed", "order_updates": "order_updates", "duplicates": "duplicate_trades"}


def read(url, prefix):
    """Each family without its prefix: what kind it is, and its samples."""
    answer = urllib.request.urlopen(url.replace("ws://", "http://") + "/metrics", timeout=30)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"), answer.headers
    families = list(text_string_to_metric_families(answer.read().decode()))
    names = [family.name for family in families]
    assert len(set(names)) == len(names), f"told twice: {names}"
    for family in families:
        assert family.name.startswith(prefix) and family.documentation, family
        if family.type == "histogram":
            buckets = [sample.value for sample in family.samples if sample.name.endswith("_bucket")]
            count = [sample.value for sample in family.samples if sample.name.endswith("_count")]
            assert buckets == sorted(buckets) and [buckets[-1]] == count, family
    return {family.name.removeprefix(prefix): family for family in families}


def expect(where, found, names):
    missing = set(names.split()) - found.keys()
    assert not missing, f"{where} does not tell {sorted(missing)}"
    print(f"{where}: {len(found)} families, all that are promised among them")


async def trade_and_ask(proxy):
    async with websockets.connect(proxy) as socket:
        await socket.send('{"action":"subscribe","symbols":["AAPL","TSLA"]}')
        trades = 0
        while trades < 20:
            trades += json.loads(await socket.recv())["type"] == "trade"
        # The upstream is pinged every 10 s; its round trip is known then.
        for _ in range(240):
            await socket.send('{"action":"health"}')
            health = {"type": ""}
            while health["type"] != "health":
                health = json.loads(await socket.recv())
            if health["round_trip_ms"] is not None:
                return health
            await asyncio.sleep(0.25)
        raise AssertionError(f"no round trip within 60 s: {health}")


async def talk(stream, proxy, sim):
    health = await trade_and_ask(proxy)
    found, own = read(stream, "trade_stream_"), read(proxy, "browser_proxy_")
    expect("trade_stream", found, STREAM)
    expect("browser_proxy", own, PROXY)
    expect("market_sim", read(sim, "market_sim_"), SIM)
    for said, name in SAME.items():
        told, later = health["figures"][said], found[name].samples[0].value
        assert told <= later <= told + 10_000 or said == "queue_bytes", (said, told, later)
    reasons = {sample.labels["reason"] for sample in found["gaps"].samples}
    assert {f"gaps_{reason}" for reason in reasons} <= health["figures"].keys(), reasons
    outcomes = {sample.labels["outcome"]: sample.value for sample in found["backfills"].samples}
    assert outcomes == {"filled": health["figures"]["backfills"], "failed": health["figures"]["backfills_failed"]}
    assert health["reconnects"] == found["upstream_reconnects"].samples[0].value
    assert abs(health["silence_s"] - found["upstream_silence_seconds"].samples[0].value) < 5
    assert health["latency"]["inside_p50_ms"] is not None, health["latency"]
    for name in set(PROXY.split()) - {"away_seconds", "dial_seconds"}:
        assert health["proxy"][name] <= own[name].samples[0].value or name in ("browsers", "queue_bytes"), name
    print("health tells the same figures")


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(talk(*sys.argv[1:4]), 180))
