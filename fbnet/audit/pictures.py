"""Checks of sample images and figures: they belong to the metrics beside them."""

import io
from collections.abc import Iterator

import matplotlib
import numpy as np
from PIL import Image

from fbnet import paths
from fbnet.audit.chain import Records, runs_with
from fbnet.audit.findings import Check, Failure
from fbnet.config.study import Study
from fbnet.data.images import DAMAGED
from fbnet.errors import InputError
from fbnet.evaluation.metrics import confusion_matrix
from fbnet.provenance.graph import Graph, Node, Result
from fbnet.report.figures import draw_figure
from fbnet.report.results import require_metrics, require_samples


def samples(study: Study, results: dict[Result, Node]) -> Check:
    """Check that the kept samples are of the evaluation that the metrics beside them count."""
    planned = runs_with(study, "evaluate", results)
    here = [(run, seed) for run, seed in planned if paths.samples_file(study.name, run, seed).is_file()]
    failures = [failure for run, seed in here for failure in _compare_samples(study, run, seed)]
    return Check("samples compared with metrics", len(here), len(planned) - len(here), tuple(failures))


def figures(graph: Graph, found: Records) -> Check:
    """Check that every figure is what samples and metrics give, to the pixel; needs the version of matplotlib then."""
    study, failures, notes = graph.study, [], []
    here = [name for name in study.figures if _is_here(graph, Result("figure", name))]
    for name in here:
        record = found.get(Result("figure", name))
        drawn_by = None if record is None else record.environment.get("matplotlib")
        if drawn_by == matplotlib.__version__:
            failures += _compare_figure(study, name)
        else:
            notes.append(f"{name} is not drawn again: matplotlib is {matplotlib.__version__}, was {drawn_by}")
    not_drawn = len(study.figures) - len(here) + len(notes)
    return Check("figures drawn again", len(study.figures) - not_drawn, not_drawn, tuple(failures), tuple(notes))


def _is_here(graph: Graph, figure: Result) -> bool:
    """Tell whether a figure and everything that it is drawn from are on this machine."""
    files = [*graph[figure].identity, *(path for _, path in graph.read_by(figure))]
    return all(path.is_file() for path in files)


def _compare_samples(study: Study, run: str, seed: int) -> Iterator[Failure]:
    """Samples are some of the pixels that the confusion matrix counts, or all."""
    path = paths.samples_file(study.name, run, seed)
    try:
        kept, metrics = require_samples(study, run, seed), require_metrics(study, run, seed)
    except InputError as error:
        yield Failure.from_error(path, error)
        return
    total = np.array(metrics.confusion_matrix)
    part = sum(confusion_matrix(sample.label, sample.prediction, len(total)) for sample in kept)
    if (part > total).any() or (len(kept) == metrics.images and (part < total).any()):
        yield Failure(str(path), "is of another evaluation: the metrics beside it do not count its pixels")


def _compare_figure(study: Study, name: str) -> Iterator[Failure]:
    path, *_ = paths.figure_files(study.name, name)
    try:
        drawn, _ = draw_figure(study, name)
        with Image.open(path) as old, Image.open(io.BytesIO(drawn)) as new:
            same = np.array_equal(np.asarray(old), np.asarray(new))
    except (InputError, *DAMAGED) as error:
        yield Failure(str(path), f"cannot be drawn again: {error}")
        return
    if not same:
        yield Failure(str(path), "is not the picture that samples and metrics give")
