"""Initial weights of a backbone: ImageNet classifiers with deep stem, laid out as MIT CSAIL's segmentation code."""

import pickle
import re
from pathlib import Path

import torch
from torch import Tensor

from fbnet.errors import InputError
from fbnet.models.resnet import ResNet

# Their stem is convN, bnN, reluN in a row; ours is one sequence of these layers.
STEM = {"conv1": 0, "bn1": 1, "conv2": 3, "bn2": 4, "conv3": 6, "bn3": 7}
CLASSIFIER = ("fc.weight", "fc.bias")
SHOWN = 3  # names of a message


def load_initial_weights(backbone: ResNet, path: Path) -> None:
    """Fills a backbone of full width with the weights of a file such as `resnet50-imagenet.pth`.

    Every weight of the backbone must be in the file, and every weight of the file, its classifier apart, in the
    backbone.

    Raises:
        InputError: for a missing or damaged file, and for weights that are missing, left over or of another shape;
            the backbone is then as it was.
    """
    read = {_renamed(name): value for name, value in _read(path).items() if name not in CLASSIFIER}
    found, expected = _without_counters(read), _without_counters(backbone.state_dict())
    _refuse(path, "has no weights", set(expected) - set(found))
    _refuse(path, "has unknown weights", set(found) - set(expected))
    _refuse(path, "has another shape of", {name for name in expected if expected[name].shape != found[name].shape})
    backbone.load_state_dict(found, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: not there; training.initial_weights must name files of weights") from None
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(f"{path}: no readable weights ({type(error).__name__}); fetch the file again") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: holds more than weights by name; give a file of a state_dict alone")
    return state


def _without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Files of old torch versions do not count batches, and the counters play no part with a fixed momentum."""
    return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}


def _renamed(name: str) -> str:
    """Their name of a weight in ours: `conv2.weight` is `stem.3.weight`, `layer1.0.bn1.bias` is `res2.0.bn1.bias`."""
    first, _, rest = name.partition(".")
    if first in STEM:
        return f"stem.{STEM[first]}.{rest}"
    stage = re.fullmatch(r"layer([1-4])", first)
    return f"res{int(stage.group(1)) + 1}.{rest}" if stage else name


def _refuse(path: Path, problem: str, names: set[str]) -> None:
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        shown = ", ".join(sorted(names)[:SHOWN])
        remedy = "it must be a ResNet with deep stem, of this depth and width"
        raise InputError(f"{path}: {problem} {shown}{more}; {remedy}")
