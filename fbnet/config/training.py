"""How a study trains and evaluates its runs (Secs. 4.1 and 4.2), with the parts that it can switch on."""

from dataclasses import dataclass
from typing import Literal

from fbnet.config.datasets import Role
from fbnet.config.registry import BACKBONES
from fbnet.config.strict import Where
from fbnet.names import is_path

OUTPUT_STRIDE = 8
# Far above what anybody trains with. Beyond them no memory or time would do, and what asks for more is a slip.
LONGEST_SIDE = 2**14  # pixels of a crop or tile
LARGEST_SCALE = 16
LARGEST_BLUR = 100  # pixels
LARGEST_BATCH = 2**16
MOST_EPOCHS = 10**6
MOST_SAMPLES = 10**4
MOST_THREADS = 2**12

Precision = Literal["auto", "float32", "bfloat16"]
"""What a network computes in; weights and losses are float32 in any case. `auto` is bfloat16 where the GPU or the CPU
has instructions for it, else float32."""


@dataclass(frozen=True, kw_only=True)
class OhemConfig:
    """Online hard example mining in the segmentation loss, see `fbnet.training.losses.ohem_cross_entropy`.

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
    """Data oversampling: crops around the classes, each class equally often, see `fbnet.data.sampler`.

    NOTE the paper names data oversampling only; that it is class-uniform sampling is not in the paper.
    """

    tile: dict[Role, int]
    """Side of the square tiles that centroids are taken in, in pixels, at most the smallest image's; for each data
    set that runs are trained on."""
    fraction: float = 0.5
    """Share of an epoch's samples that is drawn by class."""

    def check(self, where: Where) -> None:
        for role, side in self.tile.items():
            if side < 1:
                raise where.key("tile").error(role, "must be at least 1 pixel")
        if not 0 < self.fraction <= 1:
            raise where.error("fraction", "must be above 0 and at most 1; leave class_uniform out to switch it off")

    def __str__(self) -> str:
        tiles = ", ".join(f"{side} on {role}" for role, side in self.tile.items())
        return f"class-uniform sampling ({self.fraction:g} of the samples, tiles of {tiles})"


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
        if not 0 < self.blur[0] <= self.blur[1] <= LARGEST_BLUR:
            problem = f"must be a range of standard deviations above 0, not {list(self.blur)}, at most {LARGEST_BLUR}"
            raise where.error("blur", problem)

    def __str__(self) -> str:
        low, high = self.blur
        return f"colour jitter of {self.jitter:g} and Gaussian blur of standard deviation {low:g} to {high:g}"


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How every run of a study is trained (Sec. 4.1)."""

    crop: tuple[int, int]
    """Height and width of a training crop, multiples of the output stride."""
    batch_size: int
    epochs: int
    learning_rate: float
    poly_power: float = 0.9
    momentum: float = 0.9
    weight_decay: float = 1e-4
    scale: tuple[float, float] = (0.5, 2.0)
    """Range of the random resizing."""
    initial_weights: dict[str, str] | None = None
    """The backbones' ImageNet weights: a file, see `fbnet.models.pretrained`, or the name of one of torchvision's, such
    as ResNet50_Weights.IMAGENET1K_V1; null trains from scratch."""
    ohem: OhemConfig | None = None
    """Online hard example mining in the segmentation loss; null for all pixels."""
    class_weights: tuple[float, ...] | None = None
    """Weight of each class in the segmentation loss, in the order of the train ids; null for none."""
    class_uniform: ClassUniformConfig | None = None
    """Data oversampling; null for shuffled images alone."""
    image_weights: float | None = None
    """Weighs the classes of each image by their rarity in it, up to 1 plus this bound, see
    `fbnet.training.losses.image_weighted_cross_entropy`; null for none. It stands in the place of `ohem` and
    `class_weights`.
    NOTE not in the paper."""
    photometric: PhotometricConfig | None = None
    """Random colours and blur; null for none."""
    precision: Precision = "auto"
    """What the network computes in: float32, bfloat16 where its layers gain by it, or auto, which takes bfloat16 where
    the device has instructions for it."""
    compile: Literal["auto", "always", "never"] = "auto"
    """Whether torch compiles the network: auto does on a GPU for trainings that are long enough to win the minutes
    back."""
    deterministic: bool = True
    """Whether the same seed gives the same bytes on the same machine; what cannot is refused. Otherwise a GPU may take
    what is fastest."""
    threads: int = 1
    """What it computes with on a CPU, whatever else runs there: the last bits depend on it."""

    def check(self, where: Where) -> None:
        _check_sides(self.crop, where, "crop", "must be multiples of the output stride")
        if self.batch_size < 2:
            raise where.error("batch_size", "must be at least 2: batch normalisation of pooled 1x1 maps needs it")
        if self.batch_size > LARGEST_BATCH:
            raise where.error("batch_size", f"must be at most {LARGEST_BATCH}")
        if not 1 <= self.epochs <= MOST_EPOCHS:
            raise where.error("epochs", f"must be at least 1 and at most {MOST_EPOCHS}")
        _check_threads(self.threads, where)
        if self.learning_rate <= 0:
            raise where.error("learning_rate", "must be positive")
        for key in ("poly_power", "momentum", "weight_decay"):
            if getattr(self, key) < 0:
                raise where.error(key, "must not be negative")
        if not 0 < self.scale[0] <= self.scale[1] <= LARGEST_SCALE:
            problem = f"must be a range of positive factors, not {list(self.scale)}, at most {LARGEST_SCALE}"
            raise where.error("scale", problem)
        for backbone, entry in (self.initial_weights or {}).items():
            if backbone not in BACKBONES:
                raise where.key("initial_weights").error(None, f"no {backbone!r}; choose from {', '.join(BACKBONES)}")
            if not is_path(entry):
                raise where.key("initial_weights").error(backbone, "must be a path, or a name of torchvision's")
        if self.class_weights is not None and min(self.class_weights, default=0) <= 0:
            raise where.error("class_weights", "must be positive numbers, or null for none")
        if self.image_weights is not None and self.image_weights <= 0:
            raise where.error("image_weights", "must be a bound above 0, or null for none")
        if self.image_weights is not None and (self.ohem is not None or self.class_weights is not None):
            raise where.error("image_weights", "stands in the place of ohem and class_weights; set these to null")
        for key in ("ohem", "class_uniform", "photometric"):
            part = getattr(self, key)
            if part is not None:
                part.check(where.key(key))

    @property
    def recipe(self) -> tuple[str, ...]:
        """In words, what is on of the parts that a study can switch on."""
        initial = self.initial_weights and f"initial weights from {', '.join(self.initial_weights.values())}"
        weights = None if self.class_weights is None else "class weights"
        rarity = self.image_weights and f"classes weighted by their rarity in each image (bound {self.image_weights:g})"
        parts = (initial, self.ohem, weights, rarity, self.class_uniform, self.photometric)
        return tuple(str(part) for part in parts if part)


def _check_sides(sides: tuple[int, int], where: Where, key: str, problem: str) -> None:
    if any(not OUTPUT_STRIDE <= side <= LONGEST_SIDE or side % OUTPUT_STRIDE for side in sides):
        raise where.error(key, f"{problem} {OUTPUT_STRIDE}, not {list(sides)}, at most {LONGEST_SIDE}")


def _check_threads(threads: int, where: Where) -> None:
    if not 1 <= threads <= MOST_THREADS:
        raise where.error("threads", f"must be at least 1 and at most {MOST_THREADS}")
