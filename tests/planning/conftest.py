"""Fixtures of made-up results, and networks that are traced once for all tests."""

import pytest

from fbnet.planning import cost, footprint
from tests.report.conftest import demo, project, trio

__all__ = ["demo", "project", "trio"]
TRACED = {}


@pytest.fixture(autouse=True)
def _trace_once(monkeypatch):
    """Keep what the real function returns: tracing a network takes a second, and most tests ask for the same ones."""

    def traced(run, labels, training, precision, width):
        key = (repr(run.network_key), labels.name, training.crop, training.batch_size, precision, width)
        if key not in TRACED:
            TRACED[key] = footprint.footprint(run, labels, training, precision, width)
        return TRACED[key]

    monkeypatch.setattr(cost, "footprint", traced)
