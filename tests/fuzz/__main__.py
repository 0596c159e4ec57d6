"""Feed the parsers with what nobody thought of: `python -m tests.fuzz [--seconds N] [TARGET…]`.

Each target runs in a process of its own under Atheris, which follows the coverage. It begins with
`tests/fuzz/corpus` and keeps what it learns in `var/fuzz`. An input that breaks something is
written there too; put it into the corpus under a name that says what it is (`.bin`), and mend the code.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
LONGEST = 4096


def main() -> int:
    """Run the targets one after the other; 1 if one of them broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    asked = parser.parse_args()
    names = asked.targets or sorted(path.name for path in (HERE / "corpus").iterdir())
    return max([_report(name, asked.seconds) for name in names])


def _report(name: str, seconds: int) -> int:
    """Run one target in a process of its own, and say how it went in a line."""
    learnt = ROOT / "var" / "fuzz" / name
    learnt.mkdir(parents=True, exist_ok=True)
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from tests.fuzz.__main__ import fuzz; fuzz({name!r})",
            f"-max_total_time={seconds}",
            f"-max_len={LONGEST}",
            f"-dict={HERE / 'words.dict'}",
            f"-artifact_prefix={learnt.parent}/{name}-",
            "-timeout=10",
            "-rss_limit_mb=1024",
            "-print_final_stats=1",
            str(learnt),
            str(HERE / "corpus" / name),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    runs = re.search(r"number_of_executed_units: *(\d+)", ended.stderr)
    covered = re.findall(r"cov: (\d+)", ended.stderr)
    print(
        f"{name}: {runs[1] if runs else '?'} inputs, {covered[-1] if covered else '?'} edges, "
        f"{'BROKEN' if ended.returncode else 'nothing found'}",
        flush=True,
    )
    if ended.returncode:
        print(ended.stdout[-2000:], ended.stderr[-4000:], sep="\n", flush=True)
    return int(ended.returncode != 0)


def fuzz(name: str) -> None:
    """Hand the process over to Atheris."""
    with atheris.instrument_imports(include=["delivery", "mailweb"]):
        from tests.fuzz.targets import TARGETS

    atheris.Setup([sys.argv[0], *sys.argv[1:]], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
