"""Evaluation of a study's runs (Secs. 4.1 and 4.3)."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, PositiveInt, model_validator

from fbnet.config.base import Config, Items, Pair, Positive, refuse
from fbnet.config.training import Precision, Side

Scales = Literal["single_scale", "multi_scale"]


def _check_different(scales: tuple[float, ...]) -> tuple[float, ...]:
    if not scales or len(set(scales)) != len(scales):
        raise refuse("must be one or more different factors")
    return scales


Factors = Annotated[Items[Positive], AfterValidator(_check_different)]


class EvaluationConfig(Config):
    """Evaluation settings of a study."""

    mode: Literal["whole", "sliding"] = "whole"
    """Prediction of whole images, or in sliding windows."""
    tile: Pair[Side] | None = None
    """Height and width of the sliding window, multiples of the output stride."""
    stride: Pair[PositiveInt] | None = None
    """Step of the sliding window, at most its size."""
    scales: Factors = (1.0,)
    """Factors of the image size whose predictions are averaged. Above 1 the sliding window grows with them."""
    mirror: bool = False
    """True to average with the mirrored image at each scale."""
    also_mirrored: bool = False
    """True to score the mean with the mirrored image as well, in the same pass; tables tell it in their captions."""
    samples: PositiveInt = 8
    """Number of evenly spaced evaluation images whose predictions are kept for the figures."""
    precision: Precision = "auto"
    """Number format of the network, as for training."""
    threads: PositiveInt = 1
    """Number of CPU threads, as for training."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        sliding = self.tile is not None and self.stride is not None
        if (self.mode == "sliding") != sliding:
            raise refuse("and stride belong to mode 'sliding', which needs both", "tile")
        if sliding and any(step > side for step, side in zip(self.stride, self.tile, strict=True)):
            raise refuse("must be at most the tile, or pixels would be left out", "stride")
        if self.also_mirrored and (self.mirror or self.scales != (1.0,)):
            raise refuse("belongs to an evaluation at scale 1 without mirror", "also_mirrored")
        return self

    @property
    def parameters(self) -> dict:
        """What an evaluation depends on; a part that is switched off is left out, so that older results stay valid."""
        return self.model_dump(exclude=None if self.also_mirrored else {"also_mirrored"})


class ScalesConfig(Config):
    """Multi-scale evaluation, as in the paper's Table 5. NOTE the scales are not in the paper."""

    scales: Factors
    """Factors of the image size whose predictions are averaged."""
    mirror: bool
    """True to average with the mirrored image at each scale."""
