"""The machines that a plan can be for, as `params/hardware.yaml` describes them. Imports no torch."""

from dataclasses import dataclass

from fbnet.config.strict import Where

SMALLEST = 0.001  # of every number; less is a slip, and hours would have no end
LARGEST = 1e9


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """A machine with one GPU."""

    name: str
    """Its key in the file, and the end of the names of its benchmarks' files."""
    label: str
    """How people call it."""
    bfloat16_tflops: float
    """Peak of dense matrix products in bfloat16, in 10^12 operations a second; multiplication and addition are two."""
    float32_tflops: float
    """The same for layers in float32, as torch computes them by default."""
    utilisation: float
    """The share of the peak that a training is assumed to reach where nothing was measured."""
    memory_gib: float
    """Of the GPU, as far as torch can have it."""
    dollars_an_hour: float
    """A rough price."""

    def check(self, where: Where) -> None:
        for key in ("bfloat16_tflops", "float32_tflops", "memory_gib", "dollars_an_hour"):
            if not SMALLEST <= getattr(self, key) <= LARGEST:
                raise where.error(key, f"must be positive, from {SMALLEST:g} to {LARGEST:g}")
        if not SMALLEST <= self.utilisation <= 1:
            raise where.error("utilisation", f"must be a share, from {SMALLEST:g} to 1")

    def peak(self, precision: str) -> float:
        """Operations a second in `bfloat16` or `float32`."""
        return 1e12 * (self.bfloat16_tflops if precision == "bfloat16" else self.float32_tflops)
