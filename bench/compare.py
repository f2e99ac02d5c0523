#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare.py PEERS.jsonl OURS.jsonl: for each name in both, ours against the best peer. Above 1: ours is faster."""
import json
import sys


def figures(path):
    """Lines of {"name", "peer", "value", "unit"}; anything else is skipped."""
    with open(path) as f:
        return [json.loads(line) for line in f if line.startswith("{")]


def best(rows):
    pick = min if rows[0]["unit"] == "ms" else max
    return pick(rows, key=lambda r: r["value"])


def main():
    peers, ours = figures(sys.argv[1]), figures(sys.argv[2])
    behind = 0
    for name in dict.fromkeys(r["name"] for r in peers):
        theirs = best([r for r in peers if r["name"] == name])
        mine = [r for r in ours if r["name"] == name]
        if not mine:
            print(f"      -  {name:36} no figure of ours; {theirs['peer']} {theirs['value']} {theirs['unit']}")
            continue
        mine = best(mine)
        ratio = theirs["value"] / mine["value"] if theirs["unit"] == "ms" else mine["value"] / theirs["value"]
        behind += ratio < 1
        print(f"{ratio:6.2f}x  {name:36} {mine['peer']} {mine['value']:.4g}, {theirs['peer']} {theirs['value']:.4g} {theirs['unit']}")
    print(f"{behind} behind the best peer")


main()
