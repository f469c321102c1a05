"""What checks find."""

from dataclasses import dataclass
from pathlib import Path

from fbnet.errors import InputError


@dataclass(frozen=True)
class Break:
    """Where a chain does not hold."""

    place: str
    """The file, and what of it."""
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"

    @classmethod
    def of_error(cls, path: Path, error: InputError) -> "Break":
        """What stands in the way of reading a file, whose path the message may name itself."""
        return cls(str(path), str(error).removeprefix(f"{path}: "))


@dataclass(frozen=True, kw_only=True)
class Check:
    """One kind of thing that was looked at."""

    what: str
    checked: int
    not_here: int = 0
    """Large files that may lie elsewhere, and what needs them."""
    breaks: tuple[Break, ...] = ()
    notes: tuple[str, ...] = ()
