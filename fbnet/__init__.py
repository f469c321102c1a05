"""FBNet: Feature Balance Network for Urban-Scene Segmentation (Gan et al., arXiv 2111.03286), reproduced.

The names below are for networks outside the pipeline, and need torch alone. They are imported when they are first
used: reports and configuration, which are modules of this package, work without torch.
"""

from importlib import import_module

_MODULES = {
    "attach": "fbnet.models.attach",
    "FeatureBalance": "fbnet.models.feature_balance",
    "DualFeatureModulator": "fbnet.models.feature_balance",
    "block_labels": "fbnet.models.block_loss",
    "block_bce": "fbnet.models.block_loss",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
