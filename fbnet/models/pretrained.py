"""What a network begins with: published ImageNet classifiers, or the network of another run."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from fbnet.errors import InputError
from fbnet.models import checkpoint
from fbnet.models.backbones.build import Backbone
from fbnet.models.build import SegmentationNetwork
from fbnet.models.pickled import check_weights, read_pickled

SHOWN = 3  # names of a message
RESNET_STAGES = {f"layer{number}": f"res{number + 1}" for number in range(1, 5)}


@dataclass(frozen=True)
class Layout:
    """How a published file names its weights."""

    what: str
    fits: str
    """Which run has a backbone of this layout."""
    places: dict[str, str]
    """The first part of a name in the file to where we have it."""
    classifier: tuple[str, ...]
    """First parts of the names that no backbone has."""


# By a backbone's `layout`. NOTE the last one follows the names in public code, and was not tried with the file itself,
# whose published size, 833 MB, is that of these weights with an optimiser's momentum.
LAYOUTS = {
    "resnet_deep": Layout(
        "a ResNet with deep stem, as MIT CSAIL's segmentation code has them",
        "a ResNet with `stem: deep`",
        # Their stem is convN, bnN, reluN in a row; ours is one sequence of these layers.
        {
            "conv1": "stem.0", "bn1": "stem.1", "conv2": "stem.3", "bn2": "stem.4", "conv3": "stem.6", "bn3": "stem.7",
            **RESNET_STAGES,
        },
        ("fc",),
    ),
    "resnet_plain": Layout(
        "a ResNet with plain stem, as torchvision has them",
        "a ResNet with `stem: plain`",
        {"conv1": "stem.0", "bn1": "stem.1", **RESNET_STAGES},
        ("fc",),
    ),
    "wider_resnet": Layout(
        "WiderResNet-38 (A2), as NVIDIA's segmentation code has it",
        "a run with `backbone: wider_resnet38`",
        {
            "mod1": "stem.mod1", "mod2": "res2.mod2", "mod3": "res3.mod3", "mod4": "res4.mod4", "mod5": "res4.mod5",
            "mod6": "res5.mod6", "mod7": "res5.mod7",
        },
        ("bn_out", "classifier"),
    ),
}  # fmt: skip


def load_initial_weights(backbone: Backbone, path: Path) -> None:
    """Fills a backbone of full width with the weights of a published ImageNet classifier.

    Deep-stem ResNets as `resnet50-imagenet.pth` of MIT CSAIL, plain ones as torchvision's, and WiderResNet-38 as
    NVIDIA's `wider_resnet38.pth.tar`, which has its weights under `state_dict` beside the state of a training. Every
    weight of the backbone must be in the file, and every weight of the file, its classifier apart, in the backbone.

    Raises:
        InputError: for a missing or damaged file, and for weights that are missing, left over or of another shape;
            the backbone is then as it was.
    """
    layout, read = LAYOUTS[backbone.layout], _read(path)
    _refuse_other_layout(path, layout, read)
    renamed = {_renamed(name, layout): value for name, value in read.items() if _first(name) not in layout.classifier}
    found, expected = _without_counters(renamed), _without_counters(backbone.state_dict())
    _refuse_misfits(path, found, expected, f"it must be {layout.what}, of this depth and width")
    backbone.load_state_dict(found, strict=False)


def load_parent(network: SegmentationNetwork, path: Path) -> None:
    """Fills a network with the weights of another run's checkpoint.

    Backbone and head must be the same in both. A feature balance module that the checkpoint has not stays as it is,
    and one that the network has not is left out.

    Raises:
        InputError: for a missing or damaged checkpoint, one of other classes, and for weights that are missing, left
            over or of another shape; the network is then as it was.
    """
    config, read = checkpoint.read(path)
    if config.labels.classes != network.labels.classes:
        raise InputError(
            f"{path}: tells apart the {len(config.labels.classes)} classes of {config.dataset}, and this run other "
            f"{len(network.labels.classes)}; start from a run on the same classes"
        )
    ours = network.state_dict()
    shared = {_balance_stage(name) for name in read} & {_balance_stage(name) for name in ours}
    found = {name: value for name, value in read.items() if _balance_stage(name) in shared}
    expected = {name: value for name, value in ours.items() if _balance_stage(name) in shared}
    _refuse_misfits(path, found, expected, "start from a run of the same head, backbone, stem and width")
    network.load_state_dict(found, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    """A file's weights by name, out of the `state_dict` of a training's state and without `module.` before them."""
    again = "fetch the file again, or save its weights alone if it holds more"
    content = read_pickled(path, "no readable weights", again)
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    check_weights(path, state, "give a file of a state_dict alone")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _refuse_other_layout(path: Path, layout: Layout, names: Iterable[str]) -> None:
    """Names the layout that a whole file of another one has, in place of all its names."""
    first = {_first(name) for name in names}
    for other in LAYOUTS.values():
        if other is not layout and first - set(other.classifier) == set(other.places):
            raise InputError(f"{path}: holds {other.what}, and this network is {layout.what}; {other.fits} fits it")


def _refuse_misfits(path: Path, found: dict[str, Tensor], expected: dict[str, Tensor], hint: str) -> None:
    shared = found.keys() & expected.keys()
    for problem, names in {
        "has no weights": expected.keys() - shared,
        "has unknown weights": found.keys() - shared,
        "has another shape of": {name for name in shared if expected[name].shape != found[name].shape},
    }.items():
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            raise InputError(f"{path}: {problem} {', '.join(sorted(names)[:SHOWN])}{more}; {hint}")


def _renamed(name: str, layout: Layout) -> str:
    """Our name of a file's weight: `conv2.weight` is `stem.3.weight`, `layer1.0.bn1.bias` is `res2.0.bn1.bias`."""
    first = _first(name)
    return layout.places.get(first, first) + name.removeprefix(first)


def _first(name: str) -> str:
    return name.partition(".")[0]


def _without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Files of old torch versions do not count batches, and the counters play no part with a fixed momentum."""
    return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}


def _balance_stage(name: str) -> str | None:
    """The stage whose feature balance module a weight belongs to; None for backbone and head."""
    return name.split(".")[1] if name.startswith("balance.") else None
