"""Machines that a plan can be for: `params/hardware.yaml`."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from fbnet.config.base import Config, Positive, Word


class Hardware(Config):
    """A machine with one GPU."""

    name: Word
    """Its key in the file, and the end of the names of its benchmark files."""
    label: str
    """Name for people."""
    bfloat16_tflops: Positive
    """Peak of dense matrix products in bfloat16, in 10^12 operations a second; multiplication and addition are two."""
    float32_tflops: Positive
    """Peak for layers in float32, as torch computes them by default."""
    utilisation: Annotated[float, Field(gt=0, le=1)]
    """Share of the peak that a training is assumed to reach if nothing was measured."""
    memory_gib: Positive
    """GPU memory available to torch."""
    dollars_an_hour: Positive
    """Approximate price."""

    def peak(self, precision: str) -> float:
        """Return the peak rate in `bfloat16` or `float32`, in operations a second."""
        return 1e12 * (self.bfloat16_tflops if precision == "bfloat16" else self.float32_tflops)


HARDWARE_FILE = TypeAdapter(Annotated[dict[Word, Hardware], Field(min_length=1)])
"""Contents of `params/hardware.yaml`: machines by name, which is merged into each."""
