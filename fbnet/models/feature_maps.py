"""Feature maps in what arbitrary modules return: find them, put others in their place, measure their stride."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree  # transformers registers its ModelOutputs there

Size = tuple[int, int]
Adapter = Callable[[Any, Size], tuple[Tensor, Callable[[Tensor], Any]]]
"""Function of a module's output and the images' height and width. Returns the feature map in it, (N, C, h, w), and a
function that puts a map of the same shape in its place and returns the module's output again."""

ADAPT = "give `adapt`, which finds the map (N, C, h, w) and puts it back"


def only_map(output: Any, _size: Size) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """Find the only feature map of an output: a tensor, or one in tuples, lists, dicts or ModelOutputs.

    This is the adapter of modules that need none.

    Raises:
        ValueError: unless there is exactly one.
    """
    leaves, structure = pytree.tree_flatten(output)
    positions = [position for position, leaf in enumerate(leaves) if _is_map(leaf)]
    if len(positions) != 1:
        raise ValueError(_not_one_map(leaves, len(positions)))
    (position,) = positions

    def put_back(features: Tensor) -> Any:
        return pytree.tree_unflatten([*leaves[:position], features, *leaves[position + 1 :]], structure)

    return leaves[position], put_back


def stride_of(features: Tensor, size: Size) -> int:
    """Return the stride of a feature map: pixels of the image along one side of a position.

    Args:
        features: (N, C, h, w).
        size: height and width of the images.

    Raises:
        ValueError: for a map of another layout, for one that has no stride or is a single position, and where the
            layout cannot be told.
    """
    if not isinstance(features, Tensor) or features.ndim != 4:
        raise ValueError(f"`adapt` gives {_shape(features)}; it must give a map (N, C, h, w)")
    shape, stride = _shape(features), _stride(features.shape[2:], size)
    if features.shape[2] == features.shape[3] == 1:
        raise ValueError(f"has no spatial map, only {shape}; choose a module before pooling, or a larger example")
    channels_last = _stride(features.shape[1:3], size)
    if stride and channels_last:
        raise ValueError(f"{shape} may be (N, C, h, w) or (N, h, w, C); use an example of another height or width")
    if channels_last:
        raise ValueError(f"{shape} is a map (N, h, w, C); {ADAPT}")
    if not stride:
        height, width = size
        raise ValueError(
            f"{shape} has no integer stride in an example of {height} x {width}; "
            "use an example whose height and width the stride divides, or choose another module"
        )
    return stride


def _is_map(leaf: object) -> bool:
    return isinstance(leaf, Tensor) and leaf.ndim == 4 and torch.is_floating_point(leaf)


def _stride(shape: Size, size: Size) -> int | None:
    (rows, columns), (height, width) = shape, size
    if height % rows == 0 and width % columns == 0 and height // rows == width // columns:
        return height // rows
    return None


def _not_one_map(leaves: list, maps: int) -> str:
    if maps:
        return f"returns {maps} feature maps; choose one of its submodules, or {ADAPT}"
    tokens = [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim == 3]
    if tokens:
        return f"returns a token sequence {_shape(tokens[0])}, not a feature map; {ADAPT}"
    found = ", ".join(map(_shape, leaves)) or "nothing"
    return f"has no spatial map, only {found}; choose a module that returns one, or {ADAPT}"


def _shape(value: object) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__
