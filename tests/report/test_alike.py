"""Notes of tables whose numbers were not computed alike."""

import json

import pytest

from fbnet.report.alike import Computed, differences
from fbnet.report.tables import make_table
from tests.made_up_results import write_metrics

BASELINE, FBNET = "pspnet_r50", "pspnet_r50_fbnet"
ALIKE = {"device": "cpu", "precision": "float32", "torch_version": "2.15.0+cpu"}


def write(study, run, seed, trained=None, **evaluated):
    """A metrics file with an evaluation and a training like all others but for these."""
    path = write_metrics(study, run, seed)
    content = json.loads(path.read_text()) | ALIKE | evaluated
    path.write_text(json.dumps(content | {"trained": ALIKE | (trained or {})}))


def caption(study):
    return make_table(study, "table_2").caption


@pytest.fixture
def pair(trio):
    for run in (BASELINE, FBNET):
        for seed in (0, 1, 2):
            write(trio, run, seed)
    return trio


def test_alike(pair):
    write(pair, FBNET, 1, torch_version="2.15.0+cu132")
    assert "alike" not in caption(pair)


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"precision": "bfloat16"}, "evaluated in float32 (pspnet_r50 seed 0) and bfloat16 (pspnet_r50_fbnet seed 1)"),
        ({"device": "cuda"}, "evaluated on cpu (pspnet_r50 seed 0) and cuda (pspnet_r50_fbnet seed 1)"),
        (
            {"trained": {"torch_version": "2.16.0"}},
            "trained with torch 2.15.0 (pspnet_r50 seed 0) and 2.16.0 (pspnet_r50_fbnet seed 1)",
        ),
    ],
)
def test_of_a_row_with_its_baseline(pair, changes, phrase):
    write(pair, FBNET, 1, **changes)
    assert f"Not computed alike, seeds and baseline included – {FBNET}: {phrase}." in caption(pair)


def test_of_a_baseline_both_rows_are_named(pair):
    write(pair, BASELINE, 2, precision="bfloat16")
    text = caption(pair)
    assert f"{BASELINE}: evaluated in float32" in text
    assert f"{FBNET}: evaluated in float32" in text


def test_what_older_files_do_not_say_differs_from_nothing(pair):
    write_metrics(pair, FBNET, 0)
    assert "alike" not in caption(pair)


def test_three_values():
    computed = {name: Computed(name, None, None) for name in ("a", "b", "c")}
    assert differences("made", computed) == ["made in a (a), b (b) and c (c)"]
