"""How the runs of a study are evaluated (Secs. 4.1 and 4.3)."""

from dataclasses import dataclass
from typing import Literal

from fbnet.config.strict import Where
from fbnet.config.training import LARGEST_SCALE, MOST_SAMPLES, Precision, _check_sides, _check_threads

Scales = Literal["single_scale", "multi_scale"]


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How a study's images are evaluated."""

    mode: Literal["whole", "sliding"] = "whole"
    tile: tuple[int, int] | None = None
    """Height and width of the sliding window."""
    stride: tuple[int, int] | None = None
    """Step of the sliding window."""
    scales: tuple[float, ...] = (1.0,)
    """Factors of the image's size whose predictions are averaged. Above 1 the sliding window grows with them."""
    mirror: bool = False
    """Whether the mirrored image counts at each scale as well."""
    samples: int = 8
    """Evenly spaced evaluation images whose predictions are kept for the figures."""
    precision: Precision = "auto"
    """What the network computes in, as for training."""
    threads: int = 1
    """What it computes with on a CPU, as for training."""

    def check(self, where: Where) -> None:
        if (self.mode == "sliding") != (self.tile is not None and self.stride is not None):
            raise where.error("tile", "and stride belong to mode 'sliding', which needs both")
        if self.mode == "sliding":
            _check_sides(self.tile, where, "tile", "must be multiples of")
            if any(not 0 < step <= side for step, side in zip(self.stride, self.tile, strict=True)):
                raise where.error("stride", "must be positive and at most the tile, or pixels would be left out")
        _check_scales(self.scales, where)
        _check_threads(self.threads, where)
        if not 1 <= self.samples <= MOST_SAMPLES:
            raise where.error("samples", f"must be at least 1 and at most {MOST_SAMPLES}")


@dataclass(frozen=True, kw_only=True)
class ScalesConfig:
    """Multi-scale evaluation, as in the paper's Table 5. NOTE the scales are not in the paper."""

    scales: tuple[float, ...]
    """Factors of the image's size whose predictions are averaged."""
    mirror: bool
    """Whether the mirrored image counts at each scale as well."""

    def check(self, where: Where) -> None:
        _check_scales(self.scales, where)


def _check_scales(scales: tuple[float, ...], where: Where) -> None:
    if not scales or min(scales) <= 0 or len(set(scales)) != len(scales) or max(scales) > LARGEST_SCALE:
        raise where.error("scales", f"must be one or more different factors above 0, at most {LARGEST_SCALE}")
