"""Both pages of a study that the workflow made: ours, and Snakemake's own."""

import json

import pytest

pytestmark = pytest.mark.workflow
# Whatever asked for an address outside would fail.
OFFLINE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


def page(project):
    project.run("fbnet", "report", "--study", "toy")
    return (project.folder / "results/toy/report.html").read_text()


@pytest.mark.slow
def test_snakemakes_report_needs_no_network(copy):
    target = "results/toy/report-snakemake.html"
    copy.run("snakemake", "--cores", "1", "--config", "study=toy", "--report", target, **OFFLINE)
    text = (copy.folder / target).read_text()
    assert "Independent reproduction of FBNet" in text
    for name in ("table_1.csv", "table_2.csv", "figure_2.png"):
        assert name in text
    assert "one line per run. IoU, mIoU and f-mIoU are in" in text
    assert "contains its caption" in text


@pytest.mark.slow
def test_the_pages_belong_to_no_commit(copy):
    page(copy)
    assert copy.git("status", "--porcelain") == ""


def test_every_result_has_a_record_that_holds(copy):
    text = page(copy)
    assert '<span class="state holds">holds</span>13 of 13 results' in text
    record = json.loads((copy.folder / "results/toy/provenance/train/fcn_r50_fbnet/seed0.json").read_text())
    for shown in (record["digest"], record["git_commit"], f"torch {record['environment']['torch']}"):
        assert shown in text
    assert "learning_rate: 0.01" in text


@pytest.mark.slow
def test_a_clone_without_data_shows_as_much(clone):
    assert not list(clone.folder.rglob("*.pt"))
    text = page(clone)
    assert '<span class="state holds">holds</span>13 of 13 results' in text
    assert "No history" not in text
    assert "Not made yet" not in text


def test_an_edit_shows_as_stale(copy):
    copy.change("params/studies/toy.yaml", training__learning_rate=0.02)
    text = page(copy)
    assert "to be made again: training.learning_rate 0.01 -&gt; 0.02." in text
    assert '<span class="state holds">holds</span>2 of 13 results' in text  # the data
    assert '<span class="state stale">stale</span>11 of 13 results' in text
