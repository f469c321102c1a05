"""Fixtures of made-up results, and networks that are counted once for all tests."""

import pytest

from tests.made_up_results import demo, project, trio

__all__ = ["demo", "project", "trio"]


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    """Keep footprints in a folder of the tests, not in the user's: most tests ask for the same ones."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
