"""Scores of the Cityscapes test server for our predictions, entered in `params/reported/server_scores.csv`."""

from datetime import date

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.config.study import Study
from fbnet.errors import InputError
from fbnet.report.reported import parse_number, read_lines

HEADER = ["study", "run", "seed", "miou", "submitted"]

Scores = dict[str, dict[int, float]]
"""mIoU in percent, by run and seed."""


def read_server_scores(study: Study) -> Scores:
    """Return the scores of one study; lines of other studies are only checked.

    Raises:
        InputError: with file and line, for another header, for an unknown study, run or seed, for a run that is not
            trained on Cityscapes, for a score not in percent, for a date not written YYYY-MM-DD, and for a run and
            seed that come twice.
    """
    scores: dict[str, Scores] = {}
    studies = {study.name: study}
    for line, (name, run, seed, miou, submitted) in read_lines(paths.SERVER_SCORES, HEADER):
        try:
            if name not in studies:
                studies[name] = load_study(name)
            number = _seed(studies[name], run, seed)
        except InputError as error:
            raise InputError(f"{line}: {error}") from None
        of_run = scores.setdefault(name, {}).setdefault(run, {})
        if number in of_run:
            raise InputError(f"{line}: {run} with seed {seed} comes twice; keep one line of it")
        of_run[number] = _percent(miou, line)
        _check_date(submitted, line)
    return scores.get(study.name, {})


def _seed(study: Study, run: str, text: str) -> int:
    """Parse the seed, after checking that the server can have scored this run."""
    config = study.run(run)
    if config.data != "cityscapes" or study.data.dataset != "cityscapes":
        dataset = study.data_of(run).dataset
        raise InputError(f"{run} of study {study.name} is for {dataset}, which the server does not score; remove it")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InputError(f"seed: must be a number, not {text!r}")
    study.check_seed(run, int(text))
    return int(text)


def _percent(text: str, line: str) -> float:
    value = parse_number(text)
    if not 1 < value <= 100:  # a value up to 1 is a fraction
        raise InputError(f"{line}: miou: must be in percent, above 1 and at most 100, not {text!r}")
    return value


def _check_date(text: str, line: str) -> None:
    try:
        valid = date.fromisoformat(text).isoformat() == text
    except ValueError:
        valid = False
    if not valid:
        raise InputError(f"{line}: submitted: must be a date such as 2024-12-31, not {text!r}")
