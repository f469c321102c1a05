"""Tables as rows and cells, before they are laid out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One result of one run, in percent (GFLOPs: in GFLOPs). None is a number that does not exist."""

    mean: float | None
    deviation: float | None
    """Sample standard deviation, from two seeds on."""
    seeds: int
    """Number of seeds that it is the mean of."""
    paper: float | None

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's."""
        return None if self.mean is None or self.paper is None else self.mean - self.paper


@dataclass(frozen=True)
class Row:
    """One run of a table."""

    run: str
    describe: dict[str, str | bool]
    """What the run is, by description column; a bool is a mark."""
    seeds: int
    """Number of seeds that are evaluated; of a run that only the test server evaluates, those that it has scored."""
    cells: dict[str, Cell]
    """By column; `iou` stands as one column a class, by class name."""
    quoted: bool = False
    """Whether it is a method of others, with nothing but the number that the paper quotes."""


@dataclass(frozen=True)
class Table:
    """A table with everything that its files show."""

    name: str
    caption: str
    describe: tuple[str, ...]
    columns: tuple[str, ...]
    planned_seeds: int
    rows: tuple[Row, ...]
