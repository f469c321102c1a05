"""Run all benchmarks or the named ones, each in its own process, and update the tables in docs/performance.md."""

import subprocess
import sys

from benchmarks.table import ORDER, markdown, write_into_page


def main() -> None:
    names = sys.argv[1:] or ORDER
    for name in names:
        print(f"benchmarks.{name}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
    table = markdown()
    write_into_page(table)
    print(table)


if __name__ == "__main__":
    main()
