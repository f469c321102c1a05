"""The one way in which maps change their size."""

from torch import Tensor
from torch.nn.functional import interpolate


def resize_to(values: Tensor, like: Tensor) -> Tensor:
    """Bilinear resizing of (N, C, h, w) to the height and width of another map, half-pixel centres."""
    return interpolate(values, size=like.shape[-2:], mode="bilinear", align_corners=False)
