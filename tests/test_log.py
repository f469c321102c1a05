"""Messages on standard error."""

import logging

import pytest

from fbnet import log


@pytest.fixture
def logger(monkeypatch):
    """The package's logger as in a new process."""
    logger = logging.getLogger("fbnet")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    return logger


def test_progress_is_plain_and_warnings_name_the_program(logger, capsys):
    log.configure()
    log.configure()
    logging.getLogger("fbnet.training.history").info("fcn_r50 seed 0: epoch 1/1")
    logging.getLogger("fbnet.training.resume").warning("state.pt: damaged")
    logger.error("data: not there")
    assert capsys.readouterr().err == "fcn_r50 seed 0: epoch 1/1\nfbnet: state.pt: damaged\nfbnet: data: not there\n"
