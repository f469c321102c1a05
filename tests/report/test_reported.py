import pytest

from fbnet import paths
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.errors import InputError
from fbnet.report.reported import read_reported


def read(table):
    return read_reported(table, load_runs().tables[table])


@pytest.mark.parametrize(
    ("run", "miou", "f_miou"),
    [
        ("fcn_r50", 76.26, 70.49),
        ("fcn_r50_fbnet", 78.53, 73.42),
        ("fcn_r101", 77.84, 72.36),
        ("fcn_r101_fbnet", 80.69, 76.22),
    ],
)
def test_the_class_columns_average_to_the_paper_s_means(project, run, miou, f_miou):
    numbers = read("table_1")[run]
    means = [sum(numbers[name] for name in names) / len(names) for names in (CITYSCAPES.classes, CITYSCAPES.foreground)]
    assert means == pytest.approx([miou, f_miou], abs=0.01)
    assert [numbers["miou"], numbers["f_miou"]] == pytest.approx(means, abs=0.06)  # printed to one decimal


def test_every_row_of_every_table_is_reported(project):
    for name, table in load_runs().tables.items():
        assert set(read(name)) == set(table.rows)


def test_gains_and_costs_are_those_printed(project):
    assert read("table_2")["pspnet_r50_fbnet"] == {
        "miou": 80.5,
        "miou_gain": 1.2,
        "f_miou": 76.2,
        "f_miou_gain": 1.7,
        "gflops": 541.54,
    }
    assert read("table_3")["fcn_r101"] == {"miou": 77.8, "f_miou": 70.6}
    assert read("table_4")["fcn_r101"] == {"miou": 77.8}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("run,miou,f_miou", "run,f_miou,miou", "line 1: the header must be run,miou,f_miou"),
        ("fcn_r101_fbnet_res2", "fcn_r101_other", "line 3: no run or quoted method 'fcn_r101_other'"),
        ("fcn_r101_fbnet_res2", "fcn_r101", "line 3: the run fcn_r101 comes twice"),
        ("73.6", "73,6", "line 3: must hold 3 cells, not 4"),
        ("73.6", "about 74", "line 3: f_miou: must be a number or empty, not 'about 74'"),
        ("73.6", "nan", "line 3: f_miou: must be a number"),
    ],
)
def test_a_damaged_file_is_refused_by_line(project, old, new, message):
    path = paths.reported_file("table_3")
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=f"params/reported/table_3.csv: {message}"):
        read("table_3")


def test_a_missing_file_is_refused(project):
    paths.reported_file("table_3").unlink()
    with pytest.raises(InputError, match=r"table_3\.csv: cannot be read .*; restore it"):
        read("table_3")
