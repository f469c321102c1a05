"""Content of a table before it is formatted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One result of one run, in percent or GFLOPs; None for a number that does not exist."""

    mean: float | None
    deviation: float | None
    """Sample standard deviation over the seeds; None for fewer than two."""
    seeds: int
    """Number of seeds behind the mean."""
    paper: float | None
    half_width: float | None = None
    """Half the width of a gain's 95 % confidence interval, by Student's t over paired seeds; None for other columns."""

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Ends of the confidence interval."""
        if self.half_width is None:
            return None, None
        return self.mean - self.half_width, self.mean + self.half_width

    @property
    def difference(self) -> float | None:
        """Our mean minus the paper's number."""
        return None if self.mean is None or self.paper is None else self.mean - self.paper


@dataclass(frozen=True)
class Row:
    """One run of a table, or a method that the paper quotes."""

    run: str
    describe: dict[str, str | bool]
    """Description columns: text, or a bool for a check mark."""
    seeds: int
    """Number of evaluated seeds; for runs without labelled images left, of seeds scored by the test server."""
    cells: dict[str, Cell]
    """Cells by column; `iou` stands for one column per class, by class name."""
    planned_seeds: int = 0
    """Number of seeds that the study trains the run with."""
    quoted: bool = False
    """True for a method of others, which has only the paper's number."""


@dataclass(frozen=True)
class Table:
    """One of the paper's tables for a study, or one of the study's own."""

    name: str
    caption: str
    describe: tuple[str, ...]
    columns: tuple[str, ...]
    comparable: bool
    """True if our numbers may be compared with the paper's, so that differences are shown."""
    rows: tuple[Row, ...]
    own: bool = False
    """True if it is not the paper's."""
