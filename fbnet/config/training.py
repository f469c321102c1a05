"""Training of a study's runs (Secs. 4.1 and 4.2), with the parts that it can switch on."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from fbnet.config.base import BackboneName, Config, Items, Pair, PathText, Positive, refuse
from fbnet.config.datasets import RoleName

OUTPUT_STRIDE = 8
Side = Annotated[int, Field(gt=0, le=2**14, multiple_of=OUTPUT_STRIDE)]
"""Side of a crop or window, in pixels; planning allocates by it, so it has a ceiling."""
Share = Annotated[float, Field(gt=0, le=1)]
Precision = Literal["auto", "float32", "bfloat16"]
"""Number format of a network's layers; weights and losses are float32 in any case. `auto` is chosen once for a study:
bfloat16 if the GPU or CPU that it begins on has instructions for it, else float32."""


class OhemConfig(Config):
    """Online hard example mining in the segmentation loss, see `fbnet.training.losses.ohem_cross_entropy`.

    NOTE the paper names OHEM only; threshold, number of pixels and mean are not in the paper.
    """

    threshold: Share = 0.7
    """Pixels whose true class is predicted with less than this probability are kept."""
    min_kept: PositiveInt = 10000
    """Labelled pixels that are kept of each image at least, as far as it has them."""
    mean: Literal["image", "batch"] = "image"
    """Whether the mean is over the kept pixels of each image and then over images, or over those of all images."""

    def __str__(self) -> str:
        mean = ", mean over the batch" if self.mean == "batch" else ""
        return f"OHEM (probability below {self.threshold:g}, at least {self.min_kept} pixels an image{mean})"


class ClassUniformConfig(Config):
    """Data oversampling: crops that show a class, each class equally often, see `fbnet.data.sampler`.

    NOTE the paper names data oversampling only; that it is class-uniform sampling is not in the paper.
    """

    tile: dict[RoleName, PositiveInt] = Field(default_factory=dict)
    """Side of the square tiles that centroids are taken in, in pixels, at most the smallest image's; for each dataset
    that runs are trained on, unless its own file suggests one."""
    fraction: Share = 0.5
    """Share of an epoch's samples that is drawn by class."""
    epochs: PositiveInt | None = None
    """First epochs that are sampled so, and that see coarsely annotated images; null for all."""

    def __str__(self) -> str:
        sides = sorted(set(self.tile.values()))
        each = (f"{side} on {role}" for role, side in self.tile.items())
        tiles = str(sides[0]) if len(sides) == 1 else ", ".join(each)
        until = "" if self.epochs is None else f", in the first {self.epochs} epochs"
        return f"class-uniform sampling ({self.fraction:g} of the samples{until}, tiles of {tiles})"


class PhotometricConfig(Config):
    """Random colours and blur of the training crops, see `fbnet.data.photometric`.

    NOTE photometric augmentation is not in the paper.
    """

    jitter: Annotated[float, Field(ge=0, le=0.5)] = 0.25
    """Brightness, contrast and saturation change by a factor of 1 +- jitter, hue by +- jitter of the circle."""
    blur: Pair[Positive] = (0.15, 1.3)
    """Range of the Gaussian blur's standard deviation, in pixels of the crop."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range("blur", self.blur)
        return self

    def __str__(self) -> str:
        low, high = self.blur
        return f"colour jitter of {self.jitter:g} and Gaussian blur of standard deviation {low:g} to {high:g}"


class TrainingConfig(Config):
    """Training settings of a study's runs (Sec. 4.1)."""

    crop: Pair[Side]
    """Height and width of a training crop, multiples of the output stride."""
    batch_size: Annotated[int, Field(ge=2)]
    """Images of a step; batch normalisation of pooled 1x1 maps needs at least 2."""
    epochs: PositiveInt
    learning_rate: Positive
    poly_power: NonNegativeFloat = 0.9
    momentum: NonNegativeFloat = 0.9
    weight_decay: NonNegativeFloat = 1e-4
    scale: Pair[Positive] = (0.5, 2.0)
    """Range of the random resizing."""
    initial_weights: dict[BackboneName, PathText] | None = None
    """ImageNet weights of the backbones: a file, see `fbnet.models.pretrained`, or the name of one of torchvision's,
    such as ResNet50_Weights.IMAGENET1K_V1; null trains from scratch."""
    ohem: OhemConfig | None = None
    """Online hard example mining in the segmentation loss; null for all pixels."""
    class_weights: Annotated[Items[Positive], Field(min_length=1)] | None = None
    """Weight of each class in the segmentation loss, in the order of the train ids; null for none."""
    class_uniform: ClassUniformConfig | None = None
    """Data oversampling; null for shuffled images alone."""
    image_weights: Positive | None = None
    """Weighs the classes of each image by their rarity in it, up to 1 plus this bound, see
    `fbnet.training.losses.image_weighted_cross_entropy`; null for none. Replaces `ohem` and `class_weights`.
    NOTE not in the paper."""
    photometric: PhotometricConfig | None = None
    """Random colours and blur; null for none."""
    precision: Precision = "auto"
    """Number format of the network: float32, bfloat16 for the layers that gain by it, or auto, which is chosen once for
    a study: bfloat16 if the device that it begins on has instructions for it."""
    compile: Literal["auto", "always", "never"] = "auto"
    """Compilation of the network by torch; auto compiles on a GPU for trainings long enough to win the minutes back."""
    deterministic: bool = True
    """True for the same bytes from the same seed on the same machine: nondeterministic kernels are refused. Otherwise
    a GPU uses the fastest kernels."""
    threads: PositiveInt = 1
    """Number of CPU threads; the last bits of the result depend on it."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range("scale", self.scale)
        if self.image_weights is not None and (self.ohem is not None or self.class_weights is not None):
            raise refuse("replaces ohem and class_weights; set these to null", "image_weights")
        return self

    @property
    def recipe(self) -> tuple[str, ...]:
        """Descriptions of the parts that are switched on."""
        initial = self.initial_weights and f"initial weights from {', '.join(self.initial_weights.values())}"
        weights = None if self.class_weights is None else "class weights"
        rarity = self.image_weights and f"classes weighted by their rarity in each image (bound {self.image_weights:g})"
        parts = (initial, self.ohem, weights, rarity, self.class_uniform, self.photometric)
        return tuple(str(part) for part in parts if part)


def _check_range(key: str, limits: tuple[float, float]) -> None:
    if limits[0] > limits[1]:
        raise refuse(f"must be a range, its lower end first, not {list(limits)}", key)
