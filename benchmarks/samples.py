"""Training samples from 1024 x 2048 on one core: prepared data against decoding, resizing and cropping each time."""

import contextlib
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from benchmarks.harness import Row, seconds, times_as_fast, write
from fbnet.config.datasets import DataConfig, SyntheticConfig
from fbnet.config.labels import IGNORE_INDEX
from fbnet.config.training import PhotometricConfig, TrainingConfig
from fbnet.data.augment import Crop, crop_image, crop_labels, draw_crop
from fbnet.data.packed import PackedSplit, open_split
from fbnet.data.photometric import TRUNCATE, change_colours
from fbnet.data.prepare import prepare
from fbnet.data.sampler import TrainingSamples

SIZE, CROP, SCALE = (1024, 2048), (832, 832), (0.5, 2.0)
IMAGES, SAMPLES, ROUNDS, COLOURED_ROUNDS = 12, 24, 21, 7
COLOURS = PhotometricConfig(jitter=0.25, blur=(0.15, 1.3))  # those of the study `paper`


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        config = SyntheticConfig(height=SIZE[0], width=SIZE[1], images={"train": IMAGES}, seed=0)
        data = DataConfig(dataset="synthetic", root="raw", synthetic=config, train="train")
        prepare(data, "train")
        training = TrainingConfig(crop=CROP, batch_size=8, epochs=SAMPLES, learning_rate=0.1, scale=SCALE)
        ours = Ours(TrainingSamples(open_split(data, "train"), training, seed=0))
        files = sorted(Path("raw").rglob("*leftImg8bit.png"))
        pairs = [(path, _label_file(path)) for path in files]
        what = "training samples per second and core"
        rows = [
            times_as_fast(ours, OpenCV(pairs), rounds=ROUNDS, what=what, against="OpenCV", target=15),
            times_as_fast(ours, Torchvision(pairs), rounds=ROUNDS, what=what, against="torchvision v2", target=40),
        ]
        least = Least(ours.samples)
        rows = [replace(row, account=account(row, least)) for row in rows]
        rows.append(coloured_row(open_split(data, "train"), training, pairs))
        size = sum(path.stat().st_size for path in files) / len(files) / 1e6
    write("samples", rows, image=SIZE, crop=CROP, scale=SCALE, samples=SAMPLES, rounds=ROUNDS, png_megabytes=size)


def coloured_row(split: PackedSplit, training: TrainingConfig, pairs: list[tuple[Path, Path]]) -> Row:
    """Compare samples whose colours change, of which our loaders do all but the colours and the blur."""
    samples = TrainingSamples(split, training.model_copy(update={"photometric": COLOURS}), seed=0)
    row = times_as_fast(
        Ours(samples, with_colours=True),
        Torchvision(pairs, [v2.ColorJitter(*[COLOURS.jitter] * 4), v2.GaussianBlur(*_torchvision_blur())]),
        rounds=COLOURED_ROUNDS,
        what="the same with colour jitter and blur, host part",
        against="torchvision v2",
        target=20,
    )
    images = torch.stack([samples[number][0] for number in range(8)])
    changes = [samples.colours(number) for number in range(8)]
    device = statistics.median(seconds(lambda: change_colours(images, changes, COLOURS)) for _ in range(5)) / 8
    host, theirs = row.ours / SAMPLES * 1e3, row.theirs / SAMPLES * 1e3
    text = (
        f"a sample takes {host:.2f} ms, theirs {theirs:.0f} ms; the device's part takes {device * 1e3:.0f} ms a sample"
    )
    return replace(row, account=f"{text} on one core of this CPU, where there is no GPU to do it.")


def _torchvision_blur() -> tuple[int, tuple[float, float]]:
    """Size of its kernel, as ours reaches, and range of standard deviations."""
    return 2 * int(TRUNCATE * COLOURS.blur[1] + 0.5) + 1, COLOURS.blur


class Ours:
    """Samples as in training: a window of the prepared image, resized, mirrored or not, left as bytes."""

    def __init__(self, samples: TrainingSamples, *, with_colours: bool = False) -> None:
        self.samples, self.next, self.with_colours = samples, 0, with_colours

    def __call__(self) -> None:
        for _ in range(SAMPLES):
            self.samples[self.next % len(self.samples)]
            if self.with_colours:
                self.samples.colours(self.next)
            self.next += 1


class Least:
    """The two kernels that every sample needs: resampling the image and its labels."""

    def __init__(self, samples: TrainingSamples) -> None:
        self.samples = samples

    def milliseconds(self) -> tuple[float, float]:
        """Median milliseconds of both for one sample."""
        rounds = [self._round() for _ in range(ROUNDS)]
        resampling, picking = (statistics.median(values) / SAMPLES * 1e3 for values in zip(*rounds, strict=True))
        return resampling, picking

    def _round(self) -> tuple[float, float]:
        windows = [self._window(number) for number in range(SAMPLES)]
        split = self.samples.split
        resampling = seconds(lambda: [crop_image(split.image(index), window, CROP) for index, window in windows])
        return resampling, seconds(
            lambda: [crop_labels(split.labels(index), window, CROP) for index, window in windows]
        )

    def _window(self, number: int) -> tuple[int, Crop]:
        index, _ = self.samples.position(number)
        return index, draw_crop(SIZE, CROP, SCALE, np.random.default_rng(number))


def account(row: Row, least: Least) -> str:
    """Report the parts of a sample's time."""
    resampling, picking = least.milliseconds()
    whole, theirs = (value / SAMPLES * 1e3 for value in (row.ours, row.theirs))
    return (
        f"a sample takes {whole:.2f} ms, theirs {theirs:.0f} ms. Of ours, torch's antialiased resampling of the window "
        f"takes {resampling:.2f} ms, mirrored or not, and copying labels pixel by pixel {picking:.2f} ms; these alone "
        f"would be {theirs / (resampling + picking):.0f} times as fast."
    )


class OpenCV:
    """Decode, resize the whole image (linear, labels by nearest pixel), pad, crop and mirror."""

    def __init__(self, pairs: list[tuple[Path, Path]]) -> None:
        self.pairs, self.rng = pairs, np.random.default_rng(0)

    def __call__(self) -> None:
        for number in range(SAMPLES):
            self.sample(*self.pairs[number % len(self.pairs)])

    def sample(self, image_file: Path, label_file: Path) -> tuple[np.ndarray, np.ndarray]:
        image = cv2.cvtColor(cv2.imread(str(image_file)), cv2.COLOR_BGR2RGB)
        labels = cv2.imread(str(label_file), cv2.IMREAD_GRAYSCALE)
        size = tuple(round(side * factor) for factor in [self.rng.uniform(*SCALE)] for side in reversed(SIZE))
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        below, right = (max(0, side - have) for side, have in zip(CROP, labels.shape, strict=True))
        if below or right:
            image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(124, 116, 104))
            labels = cv2.copyMakeBorder(labels, 0, below, 0, right, cv2.BORDER_CONSTANT, value=IGNORE_INDEX)
        top, left = (int(self.rng.integers(have - side + 1)) for side, have in zip(CROP, labels.shape, strict=True))
        window = (slice(top, top + CROP[0]), slice(left, left + CROP[1]))
        image, labels = image[window], labels[window]
        if self.rng.integers(2):
            return cv2.flip(image, 1), cv2.flip(labels, 1)
        return np.ascontiguousarray(image), np.ascontiguousarray(labels)


class Torchvision:
    """Decode with Pillow and apply torchvision's v2 transforms, as its segmentation reference does.

    Colours change after cropping, when there is least to do.
    """

    def __init__(self, pairs: list[tuple[Path, Path]], colours: Sequence[v2.Transform] = ()) -> None:
        self.pairs = pairs
        fill = {tv_tensors.Image: (124, 116, 104), Image.Image: (124, 116, 104), tv_tensors.Mask: IGNORE_INDEX}
        self.transform = v2.Compose(
            [
                v2.RandomResize(round(SCALE[0] * SIZE[0]), round(SCALE[1] * SIZE[0])),
                v2.RandomHorizontalFlip(0.5),
                v2.RandomCrop(CROP, pad_if_needed=True, fill=fill),
                v2.PILToTensor(),
                *colours,
            ]
        )

    def __call__(self) -> None:
        for number in range(SAMPLES):
            image_file, label_file = self.pairs[number % len(self.pairs)]
            labels = tv_tensors.Mask(Image.open(label_file))
            self.transform(Image.open(image_file).convert("RGB"), labels)


def _label_file(path: Path) -> Path:
    name = path.name.replace("leftImg8bit", "gtFine_labelIds")
    return Path(str(path.parent).replace("leftImg8bit", "gtFine")) / name


if __name__ == "__main__":
    main()
