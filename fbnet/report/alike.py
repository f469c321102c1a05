"""What the numbers of a table were computed in and on, where they are set beside each other."""

from collections.abc import Mapping
from typing import NamedTuple

from fbnet.config.runs import TableConfig
from fbnet.config.study import Study
from fbnet.report.results import Environment, Metrics


class Computed(NamedTuple):
    """Precision, type of device and version of torch that something was computed in, on and with; None if unknown."""

    precision: str | None
    device: str | None
    torch: str | None


WORDS = Computed("in", "on", "with torch")


def differences(what: str, computed: Mapping[str, Computed]) -> list[str]:
    """Describe what differs between results that should have been computed alike.

    Args:
        what: what was done, such as `trained`.
        computed: by the name of each result.

    Returns:
        A phrase for each property with several known values, naming the first result of each value, such as
        `trained in bfloat16 (fcn_r50 seed 0) and float32 (fcn_r50_fbnet seed 0)`.
    """
    phrases = []
    for position, word in enumerate(WORDS):
        first: dict[str, str] = {}
        for name, entry in computed.items():
            if entry[position] is not None:
                first.setdefault(entry[position], name)
        if len(first) > 1:
            values = [f"{value} ({name})" for value, name in first.items()]
            phrases.append(f"{what} {word} {', '.join(values[:-1])} and {values[-1]}")
    return phrases


def release(version: str | None) -> str | None:
    """Version of torch without the label of its build, such as `+cu132`."""
    return None if version is None else version.partition("+")[0]


def unlike_rows(study: Study, table: TableConfig, metrics: Mapping[str, Mapping[int, Metrics]]) -> dict[str, list[str]]:
    """Describe the differences within each row of a table, between its seeds and to its baseline; only where there are.

    Args:
        study: the study.
        table: the table.
        metrics: by run and seed, of all rows and their baselines.
    """
    found = {}
    for run in (row for row in table.rows if row in study.runs):
        pair = [name for name in (study.baseline_in(table, run), run) if name in metrics]
        shown = {f"{name} seed {seed}": entry for name in pair for seed, entry in metrics[name].items()}
        trained = {name: _computed(entry.trained) for name, entry in shown.items() if entry.trained is not None}
        evaluated = {name: _computed(entry) for name, entry in shown.items()}
        phrases = [*differences("trained", trained), *differences("evaluated", evaluated)]
        if phrases:
            found[run] = phrases
    return found


def _computed(entry: Environment) -> Computed:
    return Computed(entry.precision, entry.device, release(entry.torch_version))
