"""Tries inputs on what reads them, and counts what comes of it."""

import time
import traceback
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings

from fbnet.errors import InputError
from tests.fuzz.kinds import Kind


@dataclass
class Outcome:
    """Outcomes of the inputs of one kind."""

    tried: int = 0
    accepted: int = 0
    refused: int = 0
    """With the one declared error, in one line."""
    others: Counter[str] = field(default_factory=Counter)
    """Anything else, by what and where it was."""
    examples: dict[str, bytes] = field(default_factory=dict)
    slowest: float = 0.0
    """Seconds."""


def try_inputs(kind: Kind, outcome: Outcome, *, inputs: int, number: int | None = None, seconds: float = 3600) -> None:
    """Tries so many inputs, or as many as the time allows; with a `number` those that belong to it, else always the
    same."""
    end = time.monotonic() + seconds
    valid = kind.place.read_bytes()

    @settings(
        max_examples=inputs,
        derandomize=number is None,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.inputs)
    def trial(content: bytes) -> None:
        if time.monotonic() < end:
            try_one(kind, content, outcome)

    try:
        (trial if number is None else seed(number)(trial))()
    finally:
        kind.place.write_bytes(valid)


def try_one(kind: Kind, content: bytes, outcome: Outcome) -> None:
    """Reads one input where the valid file was."""
    kind.place.write_bytes(content)
    outcome.tried += 1
    begun = time.monotonic()
    try:
        kind.read()
        outcome.accepted += 1
    except InputError as error:
        if "\n" in str(error):
            _note(outcome, "a message of several lines", content)
        outcome.refused += 1
    except Exception as error:  # whatever it is, it is what is looked for
        frame = traceback.extract_tb(error.__traceback__)[-1]
        _note(outcome, f"{type(error).__name__} at {frame.name}", content)
    outcome.slowest = max(outcome.slowest, time.monotonic() - begun)


def _note(outcome: Outcome, what: str, content: bytes) -> None:
    outcome.others[what] += 1
    outcome.examples.setdefault(what, content)
