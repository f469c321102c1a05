"""Source files that a result depends on: the modules that its command imports, directly and indirectly.

Neutral modules only find, read, check or report things. They are left out, as the values they return are compared.
"""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fbnet.config.dataset_files import find_dataset
from fbnet.config.registry import FIGURES, HEADS, backbone_entry
from fbnet.io.files import sha256
from fbnet.provenance.graph import Kind

PACKAGE = Path(__file__).parents[1]
_source_hash = cache(sha256)
NEUTRAL = frozenset(
    {
        "fbnet",
        "fbnet.cli",
        "fbnet.config.base",
        "fbnet.config.dataset_files",
        "fbnet.config.datasets",
        "fbnet.config.evaluation",
        "fbnet.config.load",
        "fbnet.config.registry",
        "fbnet.config.runs",
        "fbnet.config.study",
        "fbnet.config.training",
        "fbnet.data.limits",
        "fbnet.data.raw_changes",
        "fbnet.errors",
        "fbnet.io.arrays",
        "fbnet.io.files",
        "fbnet.io.text",
        "fbnet.io.yaml_file",
        "fbnet.log",
        "fbnet.models.weight_files",
        "fbnet.names",
        "fbnet.paths",
        "fbnet.provenance.graph",
        "fbnet.provenance.recording",
        "fbnet.provenance.records",
        "fbnet.provenance.sources",
        "fbnet.provenance.staleness",
        "fbnet.provenance.verification",
        "fbnet.training.history",
        "fbnet.training.resume",
        "fbnet.workflow",
    }
)
ENTRY: dict[Kind, str] = {
    "prepare": "fbnet.data.prepare",
    "centroids": "fbnet.data.centroids",
    "train": "fbnet.training.train",
    "evaluate": "fbnet.evaluation.evaluate",
    "evaluate_multi_scale": "fbnet.evaluation.evaluate",
    "export": "fbnet.evaluation.submission",
    "measure": "fbnet.evaluation.measure",
    "table": "fbnet.report.tables",
    "figure": "fbnet.report.figures",
}
_OF_DATASETS = {
    "fbnet.data.raw_files": "reader",
    "fbnet.data.prepare": "scene_writer",
    "fbnet.data.synthetic.write": "layout",
}
"""Modules that take another module from a dataset's entry, and its field there."""


def source_files(kind: Kind, variants: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the source files that a result depends on, sorted.

    Args:
        kind: Kind of the result.
        variants: Registered names that it takes, see `Node.variants`; no other entry's module matters.
    """
    return module_files(ENTRY[kind], variants)


def source_hashes(files: Iterable[Path]) -> dict[str, str]:
    """Return the sha256 of source files by their path from the package on."""
    return {f"{PACKAGE.name}/{path.relative_to(PACKAGE).as_posix()}": _source_hash(path) for path in files}


@cache
def module_files(entry: str, variants: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the source files that the values of a module depend on, sorted; `variants` as in `source_files`."""
    found, waiting = set(), [entry]
    while waiting:
        module = waiting.pop()
        if module in found or module in NEUTRAL:
            continue
        found.add(module)
        waiting += [*_imports(module), *_named(module, variants)]
    return tuple(sorted(_path(module) for module in found))


def _named(module: str, variants: tuple[str, ...]) -> list[str]:
    """Return the modules that a module takes from a registry for the chosen names."""
    if module in _OF_DATASETS:  # all variants of such a result are datasets
        targets = [getattr(find_dataset(name), _OF_DATASETS[module]) for name in variants]
    else:
        offered = {
            "fbnet.models.build": HEADS,
            "fbnet.models.backbones.build": {
                name: entry.implementation for name in variants if (entry := backbone_entry(name)) is not None
            },
            "fbnet.report.figures": FIGURES,
        }.get(module, {})
        targets = map(offered.get, variants)
    return [target.partition(":")[0] for target in targets if target]


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Return the modules of this package that a module imports, at its top or in a function."""
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
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _is_module(name: str) -> bool:
    return name.partition(".")[0] == "fbnet" and _path(name).is_file()
