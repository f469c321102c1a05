"""Run benchmarks, each in its own process, and update the table in docs/performance.md."""

import subprocess
import sys

import click
import torch

from benchmarks.table import GPU_ONLY, ORDER, markdown, write_into_page

ON_GPU = ("gpu_training", "training_step", "fbnet_cost")
"""What a GPU is measured by in a few minutes."""


@click.command()
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.argument("names", nargs=-1, type=click.Choice(ORDER))
def main(device: str, names: tuple[str, ...]) -> None:
    """Run the benchmarks with these NAMES, by default all that say something about the device."""
    if (device == "cuda") != torch.cuda.is_available():
        found = "a GPU" if torch.cuda.is_available() else "none"
        raise click.UsageError(f"--device {device}: torch finds {found}")
    for name in names or (ON_GPU if device == "cuda" else [name for name in ORDER if name not in GPU_ONLY]):
        print(f"benchmarks.{name}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
    table = markdown()
    write_into_page(table)
    print(table)


if __name__ == "__main__":
    main()
