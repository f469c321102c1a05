"""Run all benchmarks, or those named as arguments, in separate processes, and update the README's table."""

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
