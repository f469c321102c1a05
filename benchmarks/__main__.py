"""`python -m benchmarks`: runs all benchmarks, or those that are named, each in a process of its own, and prints the
table that the README carries."""

import subprocess
import sys

from benchmarks.table import ORDER, into_readme, markdown


def main() -> None:
    names = sys.argv[1:] or ORDER
    for name in names:
        print(f"benchmarks.{name}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
    table = markdown()
    into_readme(table)
    print(table)


if __name__ == "__main__":
    main()
