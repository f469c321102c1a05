"""Any network of timm that computes its features one module after the other, as dilated backbone.

timm is an extra: it is imported when such a backbone is built, and not before.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType

import torch
from torch import Tensor, nn

from fbnet.config.registry import TIMM
from fbnet.config.runs import STAGES, RunConfig
from fbnet.config.training import OUTPUT_STRIDE
from fbnet.data.normalisation import LEVELS, Normalisation
from fbnet.errors import InputError

STRIDES = dict(zip(STAGES, (4, 8, 16, 32), strict=True))
"""Strides of the stages where nothing is dilated."""
COUNTER = "num_batches_tracked"
NORMALISATIONS = {"tf_efficientnet_lite": Normalisation((127.0,) * 3, (128.0,) * 3)}
"""By the beginning of a name, where timm's configuration rounds the values that the network was trained with."""


class TimmBackbone(nn.Module):
    """Convolutional part of a network of timm, iterated stage by stage.

    A stage is the module whose output has its stride: res2 the one of stride 4, res3 of stride 8, res4 and res5 the
    next two, whose strides are 16 and 32, at most the output stride. All that comes before res2 is the stem.

    Args:
        backbone: `timm/` and the name of the network in timm.
        output_stride: largest stride; deeper convolutions are dilated instead.

    Raises:
        InputError: without timm, and for a network that timm does not have or that has no such stages.
    """

    layout = "timm"

    def __init__(self, backbone: str, *, output_stride: int = OUTPUT_STRIDE) -> None:
        super().__init__()
        self.backbone = backbone
        self.strides = _strides(output_stride)
        network = _create(backbone, features_only=True, output_stride=output_stride)
        modules, levels = _sequence(backbone, network), network.feature_info.get_dicts()[-len(STAGES) :]
        strides = tuple(level["reduction"] for level in levels)
        if strides != tuple(self.strides.values()):
            expected = ", ".join(map(str, self.strides.values()))
            raise InputError(
                f"{backbone}: has features of strides {', '.join(map(str, strides))} at output stride {output_stride}, "
                f"not {expected}; choose another network"
            )
        self.channels = {stage: level["num_chs"] for stage, level in zip(STAGES, levels, strict=True)}
        ends = [_joined(level["module"]) for level in levels]
        self.stem, *stages = _split(modules, ends)
        for stage, module in zip(STAGES, stages, strict=True):
            self.add_module(stage, module)
        self.normalisation = _normalisation(backbone)

    @classmethod
    def of_run(cls, run: RunConfig, width: float) -> "TimmBackbone":
        if width != 1:
            raise InputError(f"{run.backbone}: has no width multiplier; set the study's width to 1")
        return cls(run.backbone, output_stride=run.output_stride or OUTPUT_STRIDE)

    @staticmethod
    def strides_of(run: RunConfig) -> dict[str, int]:
        """Output stride of each stage."""
        return _strides(run.output_stride or OUTPUT_STRIDE)

    def stages(self) -> Iterator[tuple[str, nn.Module]]:
        """Names and modules of the stages, in order."""
        return ((name, getattr(self, name)) for name in STAGES)

    def renamed(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Translate the names of published weights, without batch counters, to this backbone's.

        They are those of timm, or others if the file begins with the backbone's tensors in timm's order: all their
        shapes must be equal, one by one. Weights of timm's network that follow the last stage, such as its
        classifier's, are left out; unknown names are kept.
        """
        with torch.device("meta"):
            whole = _create(self.backbone)
        shapes = {name: value.shape for name, value in whole.state_dict().items() if not name.endswith(COUNTER)}
        ours = self._names_in(whole)
        if not ours.keys() <= weights.keys():
            needed = [*shapes][: max(map([*shapes].index, ours)) + 1]
            values = [*weights.values()][: len(needed)]
            if [value.shape for value in values] == [shapes[name] for name in needed]:
                weights = dict(zip(needed, values, strict=True))
        return {ours.get(name, name): value for name, value in weights.items() if name in ours or name not in shapes}

    def _names_in(self, whole: nn.Module) -> dict[str, str]:
        """Names of this backbone's weights, without batch counters, by their names in timm's whole network."""
        paths = {_joined(path): path for path, _ in _shallow_modules(whole)}
        found = {}
        for name in self.state_dict():
            _, module, rest = name.split(".", 2)
            if not name.endswith(COUNTER):
                found[f"{paths.get(module, module)}.{rest}"] = name
        return found


def _strides(output_stride: int) -> dict[str, int]:
    return {stage: min(stride, output_stride) for stage, stride in STRIDES.items()}


def _timm(backbone: str) -> ModuleType:
    try:
        import timm
    except ImportError as error:
        raise InputError(f"{backbone}: needs timm ({error}); install it with `pip install '.[timm]'`") from None
    return timm


def _create(backbone: str, **options: object) -> nn.Module:
    """Build a network of timm with random weights. Raises InputError for one that timm cannot build so."""
    timm, name = _timm(backbone), backbone.removeprefix(TIMM)
    if not timm.is_model(name):
        raise InputError(f"{backbone}: timm {timm.__version__} has no such network; see timm.list_models()")
    try:
        return timm.create_model(name, pretrained=False, **options)
    except (AssertionError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        given = ", ".join(f"{key}={value}" for key, value in options.items())
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise InputError(f"{backbone}: timm cannot build it with {given} ({why}); choose another network") from None


def _sequence(backbone: str, network: nn.Module) -> dict[str, nn.Module]:
    """Modules of a feature network of timm in the order in which they are applied, by name.

    Raises:
        InputError: for a network that is no such sequence.
    """
    from timm.models import FeatureDictNet
    from timm.models.efficientnet import EfficientNetFeatures
    from timm.models.mobilenetv3 import MobileNetV3Features

    if isinstance(network, FeatureDictNet):
        return dict(network.items())
    if isinstance(network, EfficientNetFeatures | MobileNetV3Features):
        modules = dict(_shallow_modules(network))
        return {_joined(path): module for path, module in modules.items() if path != "blocks"}
    raise InputError(f"{backbone}: does not compute its features one module after the other; choose another network")


def _shallow_modules(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Children of a network and, after each sequence among them, the members of the sequence, by their paths."""
    for name, child in network.named_children():
        yield name, child
        if isinstance(child, nn.Sequential):
            yield from ((f"{name}.{inner}", module) for inner, module in child.named_children())


def _joined(path: str) -> str:
    """Name that timm gives to a module of a sequence where it takes the sequence apart."""
    return path.replace(".", "_")


def _split(modules: Mapping[str, nn.Module], ends: Sequence[str]) -> list[nn.Sequential]:
    """Split modules into the stem, all before the first of `ends`, and the stages that end with `ends`."""
    parts, part = [], OrderedDict()
    for name, module in modules.items():
        if name == ends[0]:
            parts.append(nn.Sequential(part))
            part = OrderedDict()
        part[name] = module
        if name in ends:
            parts.append(nn.Sequential(part))
            part = OrderedDict()
    return parts


def _normalisation(backbone: str) -> Normalisation:
    name = backbone.removeprefix(TIMM)
    for beginning, values in NORMALISATIONS.items():
        if name.startswith(beginning):
            return values
    config = _timm(backbone).get_pretrained_cfg(name)
    return Normalisation(*(tuple(LEVELS * value for value in values) for values in (config.mean, config.std)))
