"""Duration of the demo study on two cores, in a fresh clone."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Row, Spread, seconds, write

ROOT, CORES = Path(__file__).parent.parent, 2


def main() -> None:
    snakemake = Path(sys.executable).with_name("snakemake")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
        environment = os.environ | {"PYTHONPATH": folder}
        command = [snakemake, "--cores", str(CORES)]
        minutes = seconds(lambda: subprocess.run(command, check=True, cwd=folder, env=environment)) / 60
    row = Row(
        what="`make demo` after installation, 2 cores",
        against="process start",
        ratio=Spread.of([minutes]),
        target=8,
        better="lower",
        unit="min",
    )
    write("demo", [row], cores=CORES)


if __name__ == "__main__":
    main()
