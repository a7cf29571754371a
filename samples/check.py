#!/usr/bin/env python3
"""Computes from the sample tables, in clear, what the joint computations must yield; prints JSON.

    python3 samples/check.py [hospitals | banks] [directory]

Written without knowledge of the programs' format: it is the independent reading that tests compare with. A member's
group (and a column's values in it) below MINIMUM does not enter.
"""

import csv
import json
import pathlib
import statistics
import sys

MINIMUM = 10


def rows(directory, group):
    """Yields, for each member and group, that member's rows of the group."""
    for path in sorted(directory.glob("*.csv")):
        groups = {}
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                groups.setdefault(row[group], []).append(row)
        for name, members in groups.items():
            if len(members) >= MINIMUM:
                yield name, members


def hospitals(directory):
    arms = {}
    for arm, patients in rows(directory, "arms"):
        found = arms.setdefault(arm, {"patients": 0, "events": [], "20": [], "96": []})
        found["patients"] += len(patients)
        found["events"] += [int(patient["cens"]) for patient in patients]
        for week in ("20", "96"):
            changes = [int(p["cd4" + week]) - int(p["cd40"]) for p in patients if p["cd4" + week] and p["cd40"]]
            if len(changes) >= MINIMUM:
                found[week] += changes
    return {
        arm: {
            "patients": found["patients"],
            "mean_change": statistics.mean(found["20"]),
            "sd_change": statistics.stdev(found["20"]),
            "event_share": statistics.mean(found["events"]),
            "patients_96": len(found["96"]),
            "mean_change_96": statistics.mean(found["96"]),
            "sd_change_96": statistics.stdev(found["96"]),
        }
        for arm, found in sorted(arms.items())
    }


def banks(directory):
    quarters = {}
    for quarter, people in rows(directory, "qob"):
        quarters.setdefault(quarter, []).extend(int(person["home_ownership"]) for person in people)
    return {
        quarter: {"people": len(homes), "home_ownership": statistics.fmean(homes)}
        for quarter, homes in sorted(quarters.items())
    }


if __name__ == "__main__":
    which = sys.argv[1] if len(sys.argv) > 1 else "hospitals"
    here = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).parent / which
    print(json.dumps({"hospitals": hospitals, "banks": banks}[which](here), indent=2))
