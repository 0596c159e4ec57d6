"""`make bench`: run scenarios, print tables and goals, keep the figures in bench/results/."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench import figures, postfix
from bench.scenarios import SCENARIOS


def main() -> int:
    """Run the scenarios; 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=main.__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    unknown = set(options.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}")
    if not postfix.is_installed():
        postfix.install()
    results = []
    for name in options.scenarios or SCENARIOS:
        results.append(SCENARIOS[name](options.runs, options.database))
        print("\n".join(figures.show(results[-1])), flush=True)
    print(f"kept in {figures.keep(results, options.database).relative_to(Path.cwd())}")
    return 0 if all(goal.is_met for one in results for goal in one.goals) else 1


if __name__ == "__main__":
    sys.exit(main())
