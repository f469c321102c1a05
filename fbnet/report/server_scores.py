"""What the Cityscapes test server returned for our own predictions, entered in `params/reported/server_scores.csv`."""

import math
from datetime import date

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.report.reported import read_lines

HEADER = ["study", "run", "seed", "miou", "submitted"]

Scores = dict[str, dict[int, float]]
"""mIoU in percent, by run and seed."""


def read_server_scores(study: Study) -> Scores:
    """The scores of one study; those of others are checked and left out.

    Raises InputError, with file and line, for another header, for a study, run or seed that there is not, for a study
    whose images are not those of Cityscapes, for a score that is not in percent, for a date that is not written
    YYYY-MM-DD, and for a run and seed that comes twice.
    """
    scores: dict[tuple[str, str, int], float] = {}
    studies = {study.name: study}
    for number, cells in enumerate(read_lines(paths.SERVER_SCORES, HEADER), start=2):
        place = f"{paths.SERVER_SCORES}: line {number}"
        if len(cells) != len(HEADER):
            raise InputError(f"{place}: must hold {len(HEADER)} cells, not {len(cells)}")
        name, run, seed, miou, submitted = cells
        try:
            if name not in studies:
                studies[name] = load_study(name)
            key = (name, run, _seed(studies[name], run, seed))
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
        if key in scores:
            raise InputError(f"{place}: {run} with seed {seed} comes twice; keep one line of it")
        scores[key] = _percent(miou, place)
        _check_date(submitted, place)
    return _of_study(scores, study.name)


def _of_study(scores: dict[tuple[str, str, int], float], study: str) -> Scores:
    found: Scores = {}
    for (name, run, seed), miou in scores.items():
        if name == study:
            found.setdefault(run, {})[seed] = miou
    return found


def _seed(study: Study, run: str, text: str) -> int:
    """The seed, once it is clear that the server can have scored this run with it."""
    config = study.run(run)
    if config.data != "cityscapes" or study.data.dataset != "cityscapes":
        trained_on = study.data_of(run).dataset
        raise InputError(f"{run} of study {study.name} is for {trained_on}, which the server does not score; remove it")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InputError(f"seed: must be a number, not {text!r}")
    study.check_seed(int(text))
    return int(text)


def _percent(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1 < value <= 100:  # up to 1 it is a fraction, of a network that has learned anything
        raise InputError(f"{place}: miou: must be in percent, above 1 and at most 100, not {text!r}")
    return value


def _check_date(text: str, place: str) -> None:
    try:
        written = date.fromisoformat(text).isoformat()
    except ValueError:
        written = None
    if written != text:
        raise InputError(f"{place}: submitted: must be a date such as 2024-12-31, not {text!r}")
