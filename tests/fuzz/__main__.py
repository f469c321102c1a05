"""`python -m tests.fuzz --seconds 60`: the long form, a minute for each kind of file, and a table of what came of it.

Each kind is tried in a process of its own, whose memory is measured and bounded and whose end, whatever it dies of, is
noticed. What is neither accepted nor refused is kept in a folder, and ends in exit code 1.
"""

import argparse
import os
import re
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from tests.fuzz.kinds import make_kinds, make_project
from tests.fuzz.trial import Outcome, try_inputs

MEMORY = 8 << 30
"""Bytes of data that a process may have; nothing of ours comes near."""
GRACE = 120  # seconds beyond its time after which a process hangs
BATCH = 200  # inputs of one seed
SHOWN = 40  # characters of an example's name


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each kind")
    parser.add_argument("--kept", type=Path, default=Path("work/fuzz"), help="folder for what was not refused")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("kinds", nargs="*", help="all, unless some are named")
    arguments = parser.parse_args()
    kept = arguments.kept.resolve()
    if arguments.worker:
        _work(arguments.worker, arguments.seconds, kept)
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPATH"] = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
        os.chdir(folder)
        make_project()
        places = {kind.name: kind.place for kind in make_kinds()}
        rows = [_in_a_process(name, places[name], arguments.seconds, kept) for name in arguments.kinds or places]
    print(tabulate(rows, headers="keys", floatfmt=(".0f", ".0f", ".0f", ".0f", ".0f", ".2f", ".0f"), intfmt=","))
    sys.exit(any(row["anything else"] for row in rows))


def _in_a_process(name: str, place: Path, seconds: float, kept: Path) -> dict:
    """The row of a kind whose files are read at a place."""
    valid = place.read_bytes()
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", str(seconds), "--kept", str(kept), "--worker", name]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=seconds + GRACE)
        end = f"ended with {done.returncode}"
    except subprocess.TimeoutExpired:
        done, end = None, "hung"
    if done is None or done.returncode:
        print(f"{name}: the process {end}; see {_keep(kept, name, end, place.read_bytes())}", file=sys.stderr)
        place.write_bytes(valid)
        return {"kind of file": name, "anything else": 1}
    numbers = [float(number) for number in done.stdout.split()]
    heads = ("tried", "accepted", "refused", "anything else", "slowest (s)", "more memory (MB)")
    return {"kind of file": name, **dict(zip(heads, numbers, strict=True))}


def _work(name: str, seconds: float, kept: Path) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    kind = next(kind for kind in make_kinds() if kind.name == name)
    kind.read()
    before, end, outcome = _peak(), time.monotonic() + seconds, Outcome()
    while (left := end - time.monotonic()) > 0:
        try_inputs(kind, outcome, inputs=BATCH, number=secrets.randbits(32), seconds=left)
    for what, count in outcome.others.items():
        path = _keep(kept, name, what, outcome.examples[what])
        print(f"{name}: {count} times {what}; see {path}", file=sys.stderr)
    others = sum(outcome.others.values())
    print(outcome.tried, outcome.accepted, outcome.refused, others, outcome.slowest, _peak() - before)


def _keep(folder: Path, name: str, what: str, content: bytes) -> Path:
    """Keeps an input that was neither accepted nor refused."""
    path = folder / re.sub(r"\W+", "_", f"{name}_{what}"[:SHOWN])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _peak() -> float:
    """The most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
