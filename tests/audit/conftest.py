"""Fixtures of made-up results."""

from tests.report.conftest import demo, project, trio

__all__ = ["demo", "project", "trio"]
