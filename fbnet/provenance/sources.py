"""Which source files a kind of result depends on: what its command imports, down to the last module.

Modules that only find, read, check or say things are left out: what they hand on is compared by its value.
"""

import ast
from functools import cache
from pathlib import Path

from fbnet.provenance.graph import Kind

PACKAGE = Path(__file__).parents[1]
NEUTRAL = frozenset(
    {
        "fbnet",
        "fbnet.io.arrays",
        "fbnet.cli",
        "fbnet.config.study",
        "fbnet.config.runs",
        "fbnet.config.evaluation",
        "fbnet.data.limits",
        "fbnet.data.raw_changes",
        "fbnet.config.datasets",
        "fbnet.errors",
        "fbnet.io.files",
        "fbnet.provenance.graph",
        "fbnet.training.history",
        "fbnet.names",
        "fbnet.config.load",
        "fbnet.paths",
        "fbnet.models.pickled",
        "fbnet.provenance.records",
        "fbnet.io.text",
        "fbnet.config.training",
        "fbnet.io.yaml_file",
        "fbnet.provenance.sources",
        "fbnet.training.resume",
        "fbnet.config.strict",
        "fbnet.models.weight_files",
    }
)
ENTRY: dict[Kind, str] = {
    "prepare": "fbnet.data.prepare",
    "centroids": "fbnet.data.centroids",
    "train": "fbnet.training.train",
    "evaluate": "fbnet.evaluation.evaluate",
    "evaluate_multi_scale": "fbnet.evaluation.evaluate",
    "export": "fbnet.evaluation.submission",
    "table": "fbnet.report.tables",
    "figure": "fbnet.report.figures",
}


# Where a module offers a choice, what is not chosen does not matter.
_HEADS = {
    "fcn": "fbnet.models.heads.fcn",
    "fcn_plain": "fbnet.models.heads.fcn",
    "pspnet": "fbnet.models.heads.pspnet",
    "deeplabv3plus": "fbnet.models.heads.deeplabv3plus",
}
_BACKBONES = {
    "resnet50": "fbnet.models.backbones.resnet",
    "resnet101": "fbnet.models.backbones.resnet",
    "wider_resnet38": "fbnet.models.backbones.wider_resnet",
}
_READERS = {
    "cityscapes": "fbnet.data.readers.cityscapes",
    "cityscapes_test": "fbnet.data.readers.cityscapes",
    "cityscapes_coarse": "fbnet.data.readers.cityscapes",
    "bdd100k": "fbnet.data.readers.bdd100k",
    "mapillary": "fbnet.data.readers.mapillary",
    "camvid": "fbnet.data.readers.camvid",
    "synthetic": "fbnet.data.readers.cityscapes",
    "synthetic_test": "fbnet.data.readers.cityscapes",
    "synthetic_coarse": "fbnet.data.readers.cityscapes",
    "synthetic_bdd100k": "fbnet.data.readers.bdd100k",
    "synthetic_mapillary": "fbnet.data.readers.mapillary",
}
_FIGURES = {
    "figure_1": "fbnet.report.predictions",
    "figure_2": "fbnet.report.confusion",
    "figure_7": "fbnet.report.balance_maps",
}
CHOICES = {
    "fbnet.models.build": _HEADS,
    "fbnet.models.backbones.build": _BACKBONES,
    "fbnet.data.raw_files": _READERS,
    "fbnet.data.prepare": {name: "fbnet.data.synthetic.write" for name in _READERS if name.startswith("synthetic")},
    "fbnet.report.figures": _FIGURES,
}


def source_files(kind: Kind, choices: tuple[str, ...]) -> tuple[Path, ...]:
    """The source files that a result depends on, sorted.

    Args:
        kind: which command makes it.
        choices: what it takes where there is a choice, see `Declared.choices`; everything where nothing of it is named.
    """
    return _closure(ENTRY[kind], choices)


@cache
def _closure(entry: str, choices: tuple[str, ...]) -> tuple[Path, ...]:
    found, waiting = set(), [entry]
    while waiting:
        module = waiting.pop()
        if module in found or module in NEUTRAL:
            continue
        found.add(module)
        waiting += set(_imports(module)) - _unchosen(module, choices)
    return tuple(sorted(_path(module) for module in found))


def _unchosen(module: str, choices: tuple[str, ...]) -> set[str]:
    offered = CHOICES.get(module, {})
    return set(offered.values()) - {offered[choice] for choice in choices if choice in offered}


@cache
def _imports(module: str) -> tuple[str, ...]:
    """The modules of this package that a module imports anywhere in it."""
    found = []
    for node in ast.walk(ast.parse(_path(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if _is_module(alias.name)]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "fbnet":
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name for name in inner if _is_module(name)]
            found += [node.module] if _is_module(node.module) else []
    return tuple(found)


def _path(module: str) -> Path:
    """A module's file."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _is_module(name: str) -> bool:
    return name.partition(".")[0] == "fbnet" and _path(name).is_file()
