"""FBNet on any network: feature balance modules after some of its modules, by their names."""

import copy
import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from fbnet.models.block_loss import MAX_CLASSES, block_bce, block_labels
from fbnet.models.feature_balance import FeatureBalance
from fbnet.models.feature_maps import Adapter, Size, only_map, stride_of


class Result(NamedTuple):
    """What a network with feature balance modules returns."""

    output: Any
    """The network's own output."""
    balance: dict[str, Tensor]
    """Logits (N, foreground classes, h, w) of the auxiliary classifiers by the name of the module they follow."""


def attach(
    network: nn.Module,
    *,
    after: Sequence[str],
    foreground: Iterable[int],
    example: Tensor,
    modulator: Literal["dfm", "conv"] | None = "dfm",
    init: Literal["paper", "identity"] = "paper",
    ignore_index: int | None = 255,
    adapt: Adapter | None = None,
) -> "BalancedNetwork":
    """Put feature balance modules after modules of a network, which is changed in place.

    Args:
        network: any network of images.
        after: names of its modules, as in `network.named_modules()`. Each returns one feature map (N, C, h, w), as it
            is or in a tuple, dict or ModelOutput, and is called once in a forward pass.
        foreground: ids of the classes to balance, at most 62.
        example: images (N, 3, H, W) on the network's device, from which channels and strides are found. Their height
            and width must be multiples of the strides. They pass through the network once, in evaluation mode.
        modulator: `dfm`, the dual feature modulator; `conv`, a 1x1 convolution; None for the loss alone, which costs
            nothing at inference.
        init: `paper` adds about a quarter of the features to themselves at first. NOTE not in the paper: with
            `identity` a trained network's output is unchanged at first.
        ignore_index: label of pixels that do not count; None if all do.
        adapt: for modules that return something else, such as tokens or (N, h, w, C): a function of the output and the
            images' (height, width) that returns the feature map and a function that puts another in its place.

    Raises:
        ValueError: for names that are not there, outputs without one feature map, and foreground outside the classes.
    """
    if isinstance(network, BalancedNetwork):
        raise ValueError("feature balance modules are attached already; name all modules in one `after`, or `detach`")
    if isinstance(after, str) or not after or len(set(after)) != len(after):
        raise ValueError(f"after: a list of different module names, not {after!r}")
    if not isinstance(example, Tensor) or example.ndim != 4:
        raise ValueError("example: a tensor of images (N, 3, H, W)")
    foreground = tuple(foreground)
    modules = {name: _submodule(network, name) for name in after}
    output, returned = _run(network, modules, example)
    _check_foreground(foreground, ignore_index, _number_of_classes(output))
    balance, strides = {}, {}
    for name, values in returned.items():
        features, strides[name] = _measure(name, values, tuple(example.shape[-2:]), adapt)
        module = FeatureBalance(features.shape[1], len(foreground), modulator=modulator, init=init)
        balance[name] = module.to(features.device, features.dtype)
    return BalancedNetwork(network, balance, adapt, strides=strides, foreground=foreground, ignore_index=ignore_index)


class _Hooked(nn.Module):
    """A network whose named modules hand their feature maps through feature balance modules.

    Forward hooks do this: the network's own modules, names and weights stay as they are.
    """

    def __init__(self, network: nn.Module, balance: Mapping[str, FeatureBalance], adapt: Adapter | None) -> None:
        super().__init__()
        self.network = network
        self.balance = nn.ModuleDict({_key(name): module for name, module in balance.items()})
        if len(self.balance) < len(balance):
            raise ValueError(f"after: the names {', '.join(balance)} differ in dots and underscores only")
        self._adapt = adapt
        self._size: Size | None = None  # of the images, for `adapt`
        # Bound methods, so that a deep copy's hooks are its own; first, so that hooks of others see the balanced map.
        self._handles = [
            network.get_submodule(name).register_forward_hook(partial(self._balance, name), prepend=True)
            for name in balance
        ]

    def detach(self) -> nn.Module:
        """Remove the feature balance modules from the network, and return it as it was; its weights are kept."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        return self.network

    def _run_network(self, *args: Any, **kwargs: Any) -> Any:
        if self._adapt is not None:
            self._size = _image_size((*args, *kwargs.values()))
        return self.network(*args, **kwargs)

    def _balance(self, name: str, _module: nn.Module, _inputs: tuple, output: Any) -> Any:
        features, put_back = (self._adapt or only_map)(output, self._size)
        fused, logits = self.balance[_key(name)](features)
        self._keep(name, logits)
        return put_back(fused)

    def _keep(self, name: str, logits: Tensor | None) -> None:
        """Take the logits of one module."""


class BalancedNetwork(_Hooked):
    """A network with feature balance modules; made by `attach`.

    `network` is the network itself, with its own state dict. Here its keys begin with `network.`, those of the modules
    with `balance.`; `load_state_dict` also takes a state dict of the plain network, and then keeps the modules as they
    are. One forward pass at a time: calls from several threads would mix their logits.
    """

    def __init__(
        self,
        network: nn.Module,
        balance: Mapping[str, FeatureBalance],
        adapt: Adapter | None,
        *,
        strides: dict[str, int],
        foreground: tuple[int, ...],
        ignore_index: int | None,
    ) -> None:
        super().__init__(network, balance, adapt)
        self.strides = strides
        """Stride of each feature map by the name of its module."""
        self.foreground = foreground
        self.ignore_index = ignore_index
        self._logits: dict[str, Tensor] | None = None  # of the forward pass under way
        self.register_load_state_dict_pre_hook(_take_plain_state)

    def forward(self, *args: Any, **kwargs: Any) -> Result:
        """Run the network, whatever its arguments are."""
        self._logits = {}
        output = self._run_network(*args, **kwargs)
        logits, self._logits = self._logits, None
        for name in self.strides:
            self._check(name, logits)
        return Result(output, {name: logits[name] for name in self.strides})

    def balance_loss(self, result: Result, labels: Tensor) -> Tensor:
        """L_BwBCE, summed over the modules: the second term of Eq. 8 with lambda_1 = 1, a float32 scalar.

        A mean over this process's batch. DistributedDataParallel averages over the processes, whatever the number of
        labelled blocks in each.

        Args:
            result: what the network returned.
            labels: (N, H, W), integers from 0 to 255, of the images' size; an `ignore_index` may be negative.

        Raises:
            ValueError: for labels of another shape.
        """
        if labels.ndim != 3 or labels.is_floating_point():
            raise ValueError(f"labels: {tuple(labels.shape)} {labels.dtype}; class ids (N, H, W), integers, are needed")
        blocks = cache(partial(self._block_labels, labels))  # once for all modules of the same stride
        losses = []
        for name, logits in result.balance.items():
            targets, mask = blocks(self.strides[name])
            if targets.shape != logits.shape:
                raise ValueError(
                    f"{name}: logits {tuple(logits.shape)} do not fit labels {tuple(labels.shape)} at stride "
                    f"{self.strides[name]}; pad images and labels to multiples of it"
                )
            losses.append(block_bce(logits, targets, mask))
        return torch.stack(losses).sum()

    def deployable(self) -> nn.Module:
        """Return a copy without classifiers, in evaluation mode, whose output is the network's own.

        Without modulator it is the plain network.
        """
        copied = copy.deepcopy(self)
        network = copied.detach()
        balance = {name: copied.balance[_key(name)] for name in copied.strides}
        if any(module.modulator is None for module in balance.values()):
            return network.eval()
        for module in balance.values():
            module.classifier = None
        return DeployedNetwork(network, balance, self._adapt).eval()

    def _keep(self, name: str, logits: Tensor | None) -> None:
        if self._logits is not None:  # None while a gradient checkpoint computes features again
            self._logits[name] = logits

    def _check(self, name: str, logits: dict[str, Tensor]) -> None:
        if name not in logits:
            raise RuntimeError(f"{name}: was not called in this forward pass, as it was with the example")
        trained = torch.is_grad_enabled() and any(p.requires_grad for p in self.balance[_key(name)].parameters())
        if trained and not logits[name].requires_grad:
            raise RuntimeError(f"{name}: its logits have no gradient; use checkpointing with `use_reentrant=False`")

    def _block_labels(self, labels: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        return block_labels(labels, self.foreground, stride, self.ignore_index)


class DeployedNetwork(_Hooked):
    """A trained network with its modulators and without classifiers; its output is the network's own."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._run_network(*args, **kwargs)


def _key(name: str) -> str:
    """Key of a module's feature balance module; torch allows no dots in it."""
    return name.replace(".", "_")


def _submodule(network: nn.Module, name: str) -> nn.Module:
    modules = dict(network.named_modules())
    if not name or name not in modules:
        nearest = difflib.get_close_matches(name, filter(None, modules), n=3, cutoff=0)
        raise ValueError(f"after: no module {name!r}; nearest names are {', '.join(nearest)}")
    return modules[name]


@torch.no_grad()
def _run(network: nn.Module, modules: Mapping[str, nn.Module], example: Tensor) -> tuple[Any, dict[str, Any]]:
    """Run the network in evaluation mode; return its output and those of some of its modules."""
    returned: dict[str, list] = {name: [] for name in modules}

    def keep(name: str, _module: nn.Module, _inputs: tuple, output: Any) -> None:
        returned[name].append(output)

    handles = [module.register_forward_hook(partial(keep, name)) for name, module in modules.items()]
    modes = [(module, module.training) for module in network.modules()]
    try:
        output = network.eval()(example)
    finally:
        for module, training in modes:
            module.training = training
        for handle in handles:
            handle.remove()
    for name, outputs in returned.items():
        if len(outputs) != 1:
            times = "not called" if not outputs else f"called {len(outputs)} times"
            raise ValueError(f"after: module {name!r} is {times} in a forward pass; choose one that is called once")
    return output, {name: outputs[0] for name, outputs in returned.items()}


def _measure(name: str, output: Any, size: Size, adapt: Adapter | None) -> tuple[Tensor, int]:
    """Find the feature map of a module's output, and its stride."""
    try:
        features, _ = (adapt or only_map)(output, size)
        return features, stride_of(features, size)
    except ValueError as error:
        raise ValueError(f"after: module {name!r}: {error}") from None


def _check_foreground(foreground: tuple[int, ...], ignore_index: int | None, classes: int | None) -> None:
    if not foreground or len(set(foreground)) != len(foreground) or len(foreground) > MAX_CLASSES:
        raise ValueError(f"foreground: 1 to {MAX_CLASSES} different class ids, not {list(foreground)}")
    limit = 256 if classes is None else classes
    outside = [index for index in foreground if not 0 <= index < limit or index == ignore_index]
    if outside:
        raise ValueError(f"foreground: {outside} are not among the classes 0 to {limit - 1}, or are ignored")


def _number_of_classes(output: Any) -> int | None:
    """Return the number of classes if the network returns logits, by the names that torchvision and transformers use.

    One output is taken for a binary segmentation, whose labels are 0 and 1.
    """
    if isinstance(output, Mapping):
        output = output.get("out", output.get("logits"))
    if not isinstance(output, Tensor) or output.ndim != 4:
        return None
    return max(2, output.shape[1])


def _image_size(values: Iterable[Any]) -> Size:
    images = next(value for value in values if isinstance(value, Tensor) and value.ndim == 4)
    return images.shape[-2], images.shape[-1]


def _take_plain_state(module: BalancedNetwork, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Let `load_state_dict` take the state dict of the plain network."""
    if {prefix + name for name in module.network.state_dict()} == {name for name in state if name.startswith(prefix)}:
        for name in module.network.state_dict():
            state[f"{prefix}network.{name}"] = state.pop(prefix + name)
        state.update({f"{prefix}balance.{name}": value for name, value in module.balance.state_dict().items()})
