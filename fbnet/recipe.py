"""The parts of a strong baseline that a study can switch on (Sec. 4.1): what each one's parameters may be."""

from dataclasses import dataclass

from fbnet.strict import Where


@dataclass(frozen=True, kw_only=True)
class OhemConfig:
    """Online hard example mining in the segmentation loss, see `fbnet.losses.ohem_cross_entropy`.

    NOTE the paper names OHEM only; threshold and number of pixels are not in the paper.
    """

    threshold: float = 0.7
    """Pixels whose true class is predicted with less than this probability are kept."""
    min_kept: int = 10000
    """Labelled pixels that are kept of each image at least, as far as it has them."""

    def check(self, where: Where) -> None:
        if not 0 < self.threshold <= 1:
            raise where.error("threshold", "must be a probability above 0 and at most 1")
        if self.min_kept < 1:
            raise where.error("min_kept", "must be at least 1")

    def __str__(self) -> str:
        return f"OHEM (probability below {self.threshold:g}, at least {self.min_kept} pixels an image)"


@dataclass(frozen=True, kw_only=True)
class ClassUniformConfig:
    """Data oversampling: crops around the classes, each class equally often, see `fbnet.data.sampling`.

    NOTE the paper names data oversampling only; that it is class-uniform sampling is not in the paper.
    """

    tile: int
    """Side of the square tiles that centroids are taken in, in pixels, at most the smallest image's."""
    fraction: float = 0.5
    """Share of an epoch's samples that is drawn by class."""

    def check(self, where: Where) -> None:
        if self.tile < 1:
            raise where.error("tile", "must be at least 1 pixel")
        if not 0 < self.fraction <= 1:
            raise where.error("fraction", "must be above 0 and at most 1; leave class_uniform out to switch it off")

    def __str__(self) -> str:
        return f"class-uniform sampling ({self.fraction:g} of the samples, tile {self.tile})"


@dataclass(frozen=True, kw_only=True)
class PhotometricConfig:
    """Random colours and blur of the training crops, see `fbnet.data.photometric`.

    NOTE photometric augmentation is not in the paper.
    """

    jitter: float = 0.25
    """Brightness, contrast and saturation change by a factor of 1 +- jitter, hue by +- jitter of the circle."""
    blur: tuple[float, float] = (0.15, 1.3)
    """Range of the Gaussian blur's standard deviation, in pixels of the crop."""

    def check(self, where: Where) -> None:
        if not 0 <= self.jitter <= 0.5:
            raise where.error("jitter", "must be from 0 to 0.5, half the circle of hues")
        if not 0 < self.blur[0] <= self.blur[1]:
            raise where.error("blur", f"must be a range of standard deviations above 0, not {list(self.blur)}")

    def __str__(self) -> str:
        low, high = self.blur
        return f"colour jitter of {self.jitter:g} and Gaussian blur of standard deviation {low:g} to {high:g}"
