"""Fixtures of made-up results."""

from tests.made_up_results import demo, project, trio

__all__ = ["demo", "project", "trio"]
