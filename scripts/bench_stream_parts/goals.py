"""What scripts/bench_stream is to show: for each part, what is to be reached, and whether it is.

`found` has the figures of each (system, case), by the number of the round; systems of a round were
measured one after the other, so that ratios are of one round and the median of those counts.
"""
import statistics

WIDTHS = ["10 clients", "100 clients", "1,000 clients"]
STUCK = ["trade_stream", "trade_stream_conflate", "trade_stream_close"]


def median(runs, key):
    known = [one[key] for one in runs if one[key] is not None]
    return statistics.median(known) if known else float("nan")


def grown_mb(runs):
    return max(one["pss_after_kb"] - one["pss_kb"] for one in runs) / 1024


def ratio(found, key, one, other, label, other_label=None):
    """One system's figure in another's: the median of the rounds' ratios. Nothing if one has failed."""
    ones, others = found.get((one, label), {}), found.get((other, other_label or label), {})
    both = [(ones[number][key], others[number][key]) for number in ones if number in others]
    ratios = [mine / theirs for mine, theirs in both if theirs]
    return statistics.median(ratios) if ratios else float("nan")


def compared(found, key, one, other, labels, goal, is_reached):
    """For each case, one system's figure in another's."""
    for label in labels:
        part = ratio(found, key, one, other, label)
        yield f"{one}, {label}: {goal}", f"{part:.2f}", is_reached(part)


def at_most(found, key, system, label, most, what):
    value = median(list(found.get((system, label), {}).values()), key)
    yield f"{system}, {label}: at most {most} {what}", f"{value:.3f}", value <= most


def throughput_goals(found):
    for ours in ("trade_stream", "trade_stream_msgpack"):
        yield from compared(found, "per_s", ours, "uws", WIDTHS, "at least 0.9 of uWebSockets", lambda part: part >= 0.9)
        yield from at_most(found, "cpu_per_million", ours, "100 clients", 0.25, "CPU s per million")
        lost = sum(one["lost"] for label in WIDTHS for one in found.get((ours, label), {}).values())
        yield f"{ours}: nothing lost", f"{lost}", lost == 0


def latency_goals(found):
    yield from compared(found, "p50_ms", "trade_stream", "floor", ["latency"], "p50 at most 1.2 of the floor's", lambda part: part <= 1.2)
    yield from compared(found, "p50_ms", "browser_proxy", "haproxy", ["latency"], "p50 under haproxy's", lambda part: part < 1)


def idle_goals(found):
    yield from at_most(found, "kb_per_idle", "trade_stream", "10,000", 5, "KB")
    yield from at_most(found, "kb_per_idle", "browser_proxy", "10,000", 5, "KB")


def proxy_goals(found):
    yield from compared(found, "cpu_per_million", "browser_proxy", "haproxy", WIDTHS[:2],
                        "at or under haproxy's CPU", lambda part: part <= 1)


def chain_goals(found):
    yield from compared(found, "per_s", "chain", "seed_chain", WIDTHS[:2],
                        "at least 50 times the seed's", lambda part: part >= 50)


def stuck_goals(found):
    for ours in STUCK:
        runs = list(found.get((ours, "5 stuck"), {}).values())
        lost, told = sum(one["lost"] for one in runs), min((one["gaps"] + one["closed"] for one in runs), default=0)
        yield f"{ours}: nothing lost by the other 45", f"{lost}", runs != [] and lost == 0
        changed = ratio(found, "p50_ms", ours, ours, "5 stuck", "0 stuck")
        yield f"{ours}: their p50 as without the stuck (at most 1.1)", f"{changed:.2f}", changed <= 1.1
        # 1 MiB waits for each, and what one write left over, beside what is kept for those who come back.
        without = list(found.get((ours, "0 stuck"), {}).values())
        grown = grown_mb(runs) - grown_mb(without) if runs and without else float("nan")
        bound = 5 * (1 + 1 / 16)
        yield f"{ours}: at most {bound:.1f} MB for the 5 queues", f"{grown:.1f}", grown <= bound
        yield f"{ours}: each of the 5 is told, or cut", f"{told} gaps and closes", told >= 5


def recovery_goals(found):
    for ours in ("trade_stream", "chain"):
        yield from at_most(found, "recovery_ms", ours, "ms", 100, "ms")
