#!/usr/bin/env python3
"""compare.py RESULTS BASELINE [--json | --save] - what got slower: ratios to the floor against a baseline.

RESULTS is one JSON object per line, as bench and bench_convert print them. Only ratios of medians are compared:
they hardly depend on the machine. Without an option prints a table; --json prints one line of the comparison;
--save writes the baseline."""
import json
import pathlib
import sys

SLOWER = 1.15  # rounds on a shared machine differ by less
NOT_COMPARED = {"shards, time"}  # says more about what else the machine does


def rows(path):
    """(unit, name, ours, floor) of every line; ours and floor are (name, median, minimum or None)."""
    for line in pathlib.Path(path).read_text().splitlines():
        r = json.loads(line)
        if "case" in r:
            yield ("CPU ns per packet", r["case"], (r["ours"], r["ours_ns_median"], r["ours_ns_min"]),
                   (r["floor"], r["floor_ns_median"], r["floor_ns_min"]))
        else:
            yield ("us per picture", r["name"], ("convert", r["us"], None), (r["floor"], r["floor_us"], None))


def ratio(row):
    return row[2][1] / row[3][1]


def print_table(table):
    def side(s):
        return f"{s[0]:<26} {s[1]:7.0f} " + (f"{s[2]:7.0f}" if s[2] is not None else 7 * " ")

    unit = None
    for row in table:
        if row[0] != unit:
            unit = row[0]
            print(f"{unit:<28} {'ours':<26} {'median':>7} {'min':>7}   {'floor':<26} {'median':>7} {'min':>7}   ratio")
        print(f"{row[1]:<28} {side(row[2])}   {side(row[3])}   {ratio(row):5.2f}")


def changes(table, baseline):
    return [(row[1], ratio(row), baseline[row[1]])
            for row in table if row[1] in baseline and row[1] not in NOT_COMPARED]


def print_changes(table, baseline):
    slower = [c for c in changes(table, baseline) if c[1] > c[2] * SLOWER]
    for name, now, then in slower:
        print(f"slower: {name}: {now:.2f} times its floor, {then:.2f} in the baseline")
    for row in table:
        if row[1] not in baseline and row[1] not in NOT_COMPARED:
            print(f"new: {row[1]}: not in the baseline")
    if not slower:
        print(f"nothing is slower than the baseline by more than {SLOWER - 1:.0%}")


def main():
    results, baseline_path, *options = sys.argv[1:]
    table = list(rows(results))
    path = pathlib.Path(baseline_path)
    baseline = json.loads(path.read_text())["ratios"] if path.exists() else {}
    if "--save" in options:
        ratios = {row[1]: round(ratio(row), 3) for row in table if row[1] not in NOT_COMPARED}
        path.write_text(json.dumps({"ratios": ratios}, indent=2) + "\n")
    elif "--json" in options:
        print(json.dumps({"slower": [{"case": name, "ratio": round(now, 3), "baseline": then}
                                     for name, now, then in changes(table, baseline) if now > then * SLOWER]}))
    else:
        print_table(table)
        print()
        print_changes(table, baseline)


if __name__ == "__main__":
    main()
