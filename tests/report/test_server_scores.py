"""Scores of the test server: read strictly, by study, and never anything but percent of Cityscapes."""

import pytest

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.report.server_scores import read_server_scores

RUN = "deeplabv3plus_r101_fbnet_trainval"
GOOD = f"paper,{RUN},0,81.2,2024-05-01"


def write_scores(*lines):
    paths.SERVER_SCORES.write_text("\n".join(("study,run,seed,miou,submitted", *lines)) + "\n")


def test_the_shipped_file_holds_none(project):
    assert read_server_scores(load_study("paper")) == {}


def test_scores_by_run_and_seed(project):
    write_scores(GOOD, f"paper,{RUN},2,82,2024-05-02", "paper,deeplabv3plus_r101,1,80.05,2024-05-03")
    expected = {RUN: {0: 81.2, 2: 82.0}, "deeplabv3plus_r101": {1: 80.05}}
    assert read_server_scores(load_study("paper")) == expected


def test_scores_of_other_studies_are_checked_and_left_out(project):
    (paths.STUDIES / "long.yaml").write_text(paths.study_file("paper").read_text())
    write_scores(GOOD, f"long,{RUN},0,79.9,2024-05-01")
    assert read_server_scores(load_study("paper")) == {RUN: {0: 81.2}}
    assert read_server_scores(load_study("long")) == {RUN: {0: 79.9}}
    assert read_server_scores(load_study("camvid")) == {}
    write_scores(GOOD, f"long,{RUN},7,79.9,2024-05-01")
    with pytest.raises(InputError, match="line 3: study long: no seed 7; choose from 0, 1, 2"):
        read_server_scores(load_study("paper"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"kitti,{RUN},0,81.2,2024-05-01", "params/studies/kitti.yaml: no such study 'kitti'; choose from"),
        ("paper,fcn_r18,0,81.2,2024-05-01", "study paper: no run 'fcn_r18'; choose from fcn_r50"),
        ("paper,hanet,0,81.2,2024-05-01", "study paper: no run 'hanet'; choose from fcn_r50"),
        ("camvid,fcn_lite0,0,81.2,2024-05-01", "study camvid: no run 'fcn_lite0'"),
        (f"paper,{RUN},3,81.2,2024-05-01", "study paper: no seed 3; choose from 0, 1, 2"),
        (f"paper,{RUN},first,81.2,2024-05-01", "seed: must be a number, not 'first'"),
        (f"paper,{RUN},-1,81.2,2024-05-01", "seed: must be a number, not '-1'"),
        (f"paper,{RUN},²,81.2,2024-05-01", "seed: must be a number, not '²'"),
        (f"demo,{RUN},0,81.2,2024-05-01", f"{RUN} of study demo is for synthetic, which the server does not score"),
        (
            "paper,deeplabv3plus_r101_bdd100k,0,60,2024-05-01",
            "deeplabv3plus_r101_bdd100k of study paper is for bdd100k",
        ),
        (f"paper,{RUN},0,0.812,2024-05-01", "miou: must be in percent, above 1 and at most 100, not '0.812'"),
        (f"paper,{RUN},0,100.1,2024-05-01", "miou: must be in percent, above 1 and at most 100, not '100.1'"),
        (f"paper,{RUN},0,nan,2024-05-01", "miou: must be in percent, above 1 and at most 100, not 'nan'"),
        (f"paper,{RUN},0,,2024-05-01", "miou: must be in percent, above 1 and at most 100, not ''"),
        (f"paper,{RUN},0,81.2,01.05.2024", "submitted: must be a date such as 2024-12-31, not '01.05.2024'"),
        (f"paper,{RUN},0,81.2,20240501", "submitted: must be a date such as 2024-12-31, not '20240501'"),
        (f"paper,{RUN},0,81.2,2024-02-30", "submitted: must be a date such as 2024-12-31, not '2024-02-30'"),
        (f"paper,{RUN},0,81.2,", "submitted: must be a date such as 2024-12-31, not ''"),
        (f"paper,{RUN},0,81.2", "must hold 5 cells, not 4"),
        (f"paper,{RUN},0,81.2,2024-05-01,by hand", "must hold 5 cells, not 6"),
        ("", "must hold 5 cells, not 0"),
    ],
)
def test_a_damaged_line_is_refused_by_its_number(project, line, message):
    write_scores(f"paper,{RUN},1,81.2,2024-05-01", line)
    with pytest.raises(InputError) as error:
        read_server_scores(load_study("paper"))
    assert str(error.value).startswith(f"params/reported/server_scores.csv: line 3: {message}")


def test_a_seed_that_comes_twice_is_refused(project):
    write_scores(GOOD, GOOD.replace("81.2", "81.9"))
    with pytest.raises(InputError, match=f"line 3: {RUN} with seed 0 comes twice; keep one line of it"):
        read_server_scores(load_study("paper"))


@pytest.mark.parametrize("header", ["study,run,seed,miou,submitted,note", "study,run,seed,miou", "run,study,seed,miou"])
def test_another_header_is_refused(project, header):
    paths.SERVER_SCORES.write_text(f"{header}\n")
    with pytest.raises(InputError, match="line 1: the header must be study,run,seed,miou,submitted"):
        read_server_scores(load_study("paper"))


def test_a_missing_file_is_refused(project):
    paths.SERVER_SCORES.unlink()
    with pytest.raises(InputError, match=r"server_scores\.csv: cannot be read .*; restore it"):
        read_server_scores(load_study("paper"))
