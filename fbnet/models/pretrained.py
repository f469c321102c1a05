"""Initial weights of a network: published ImageNet classifiers, or the checkpoint of another run."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from fbnet.errors import InputError
from fbnet.models import checkpoint, safetensors_file
from fbnet.models.backbones.build import Backbone
from fbnet.models.build import SegmentationNetwork

SHOWN = 3  # names in a message
RESNET_STAGES = {f"layer{number}": f"res{number + 1}" for number in range(1, 5)}


@dataclass(frozen=True)
class Layout:
    """Naming of the weights in a published file."""

    what: str  # the network, for messages
    fits: str  # runs with a backbone of this layout
    names: dict[str, str]  # first part of a name in the file to our module
    classifier: tuple[str, ...]  # first parts of the names that no backbone has


# By a backbone's `layout`. NOTE the last one follows the names in public code, and was not tried with the file itself,
# whose published size, 833 MB, is that of these weights with an optimiser's momentum.
LAYOUTS = {
    "resnet_deep": Layout(
        "a ResNet with deep stem, as in MIT CSAIL's segmentation code",
        "a ResNet with `stem: deep`",
        # Their stem is convN, bnN, reluN in a row; ours is one sequence of these layers.
        {
            "conv1": "stem.0", "bn1": "stem.1", "conv2": "stem.3", "bn2": "stem.4", "conv3": "stem.6", "bn3": "stem.7",
            **RESNET_STAGES,
        },
        ("fc",),
    ),
    "resnet_plain": Layout(
        "a ResNet with plain stem, as in torchvision",
        "a ResNet with `stem: plain`",
        {"conv1": "stem.0", "bn1": "stem.1", **RESNET_STAGES},
        ("fc",),
    ),
    "wider_resnet": Layout(
        "WiderResNet-38 (A2), as in NVIDIA's segmentation code",
        "a run with `backbone: wider_resnet38`",
        {
            "mod1": "stem.mod1", "mod2": "res2.mod2", "mod3": "res3.mod3", "mod4": "res4.mod4", "mod5": "res4.mod5",
            "mod6": "res5.mod6", "mod7": "res5.mod7",
        },
        ("bn_out", "classifier"),
    ),
}  # fmt: skip


def load_initial_weights(backbone: Backbone, path: Path) -> None:
    """Load the weights of a published ImageNet classifier into a backbone of full width.

    Deep-stem ResNets come from files such as MIT CSAIL's `resnet50-imagenet.pth`, plain ones from torchvision's,
    WiderResNet-38 from NVIDIA's `wider_resnet38.pth.tar`, and networks of timm from files of timm or of others that
    hold the same tensors in the same order under other names. Every weight of the backbone must be in the file, and
    every weight of the file except its classifier's in the backbone.

    Raises:
        InputError: for a missing or damaged file, and for weights that are missing, left over or of another shape;
            the backbone is then unchanged.
    """
    weights = _without_counters(_read(path))
    if backbone.layout == "timm":
        found, what = backbone.renamed(weights), backbone.backbone
    else:
        layout = LAYOUTS[backbone.layout]
        _check_layout(path, layout, weights)
        kept = {name: value for name, value in weights.items() if _first(name) not in layout.classifier}
        found, what = {_rename(name, layout): value for name, value in kept.items()}, layout.what
    expected = _without_counters(backbone.state_dict())
    _check_fit(path, found, expected, f"it must be {what}, of this depth and width")
    backbone.load_state_dict(found, strict=False)


def load_parent(network: SegmentationNetwork, path: Path) -> None:
    """Load the weights of another run's checkpoint into a network.

    Backbone and head must be the same in both. A feature balance module that only the network has stays as it is; one
    that only the checkpoint has is ignored.

    Raises:
        InputError: for a missing or damaged checkpoint, one of other classes, and for weights that are missing, left
            over or of another shape; the network is then unchanged.
    """
    config, weights = checkpoint.read(path)
    if config.labels.classes != network.labels.classes:
        raise InputError(
            f"{path}: has the {len(config.labels.classes)} classes of {config.dataset}, and this run other "
            f"{len(network.labels.classes)}; start from a run with the same classes"
        )
    ours = network.state_dict()
    shared = {_balance_stage(name) for name in weights} & {_balance_stage(name) for name in ours}
    found = {name: value for name, value in weights.items() if _balance_stage(name) in shared}
    expected = {name: value for name, value in ours.items() if _balance_stage(name) in shared}
    _check_fit(path, found, expected, "start from a run with the same head, backbone, stem and width")
    network.load_state_dict(found, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    """Read a file's weights by name, or those under its `state_dict`, without DataParallel's prefix `module.`."""
    hint = "fetch the file again, or save its weights alone if it holds more"
    read = safetensors_file.read_weights if path.suffix == safetensors_file.SUFFIX else checkpoint.read_pickled
    content = read(path, "no readable weights", hint)
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    checkpoint.check_weights(path, state, "save a state_dict alone")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _check_layout(path: Path, layout: Layout, names: Iterable[str]) -> None:
    """Raise an InputError that names the other layout of a file, instead of all its names."""
    first = {_first(name) for name in names}
    for other in LAYOUTS.values():
        if other is not layout and first - set(other.classifier) == set(other.names):
            raise InputError(f"{path}: holds {other.what}, and this network is {layout.what}; use it for {other.fits}")


def _check_fit(path: Path, found: dict[str, Tensor], expected: dict[str, Tensor], hint: str) -> None:
    shared = found.keys() & expected.keys()
    for problem, names in {
        "has no weights": expected.keys() - shared,
        "has unknown weights": found.keys() - shared,
        "has another shape of": {name for name in shared if expected[name].shape != found[name].shape},
    }.items():
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            raise InputError(f"{path}: {problem} {', '.join(sorted(names)[:SHOWN])}{more}; {hint}")


def _rename(name: str, layout: Layout) -> str:
    """Translate a name such as `conv2.weight` to `stem.3.weight`, `layer1.0.bn1.bias` to `res2.0.bn1.bias`."""
    first = _first(name)
    return layout.names.get(first, first) + name.removeprefix(first)


def _first(name: str) -> str:
    return name.partition(".")[0]


def _without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the batch counters, which old files lack and a fixed momentum does not use."""
    return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}


def _balance_stage(name: str) -> str | None:
    """Stage whose feature balance module a weight belongs to; None for backbone and head."""
    return name.split(".")[1] if name.startswith("balance.") else None
