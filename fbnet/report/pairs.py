"""Results of the two runs of a study's figures, seed by seed."""

from collections.abc import Callable
from typing import TypeVar

from fbnet.config.study import Study

Result = TypeVar("Result")


def read_pairs(study: Study, read: Callable[[Study, str, int], Result | None]) -> list[tuple[Result, Result]]:
    """Read results of the baseline and of FBNet, of every seed that both have.

    Args:
        study: what was run.
        read: returns the result of a study's run and seed, None before it is made.

    Raises:
        InputError: as `read` does, for a damaged file.
    """
    runs = study.figure_runs
    seeds = [seed for seed in study.seeds_of(runs.baseline) if seed in study.seeds_of(runs.fbnet)]
    pairs = [(read(study, runs.baseline, seed), read(study, runs.fbnet, seed)) for seed in seeds]
    return [(before, after) for before, after in pairs if before is not None and after is not None]
