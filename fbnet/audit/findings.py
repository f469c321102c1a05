"""Findings of the checks of a study."""

from dataclasses import dataclass
from pathlib import Path

from fbnet.errors import InputError


@dataclass(frozen=True)
class Failure:
    """One thing that does not hold."""

    location: str
    """The file, and the part of it."""
    problem: str

    def __str__(self) -> str:
        return f"{self.location}: {self.problem}"

    @classmethod
    def from_error(cls, path: Path, error: InputError) -> "Failure":
        """Return the failure to read a file, whose path the error may name itself."""
        return cls(str(path), str(error).removeprefix(f"{path}: "))


@dataclass(frozen=True)
class Check:
    """The outcome of one kind of check."""

    what: str
    checked: int
    not_here: int = 0
    """Number of large files, or of evaluations needing them, that are not on this machine."""
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
