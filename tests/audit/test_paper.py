"""The audit of the paper's numbers: values worked out by hand, its known contradictions, and ones made here."""

import json

import pytest

from fbnet import paths
from fbnet.audit import paper as audit
from fbnet.config.load import load_runs
from fbnet.errors import InputError
from fbnet.report.reported import read_reported
from tests.test_cli import fbnet

REPEATED = "table_3 fcn_r101: f_miou as in table_1"
BACKGROUND = "table_3 fcn_r101: background mean left by miou and f_miou, classes elsewhere"


def checks():
    """All checks but the count of GFLOPs, which takes seconds, by name."""
    declared = load_runs()
    reported = {name: read_reported(name, table) for name, table in declared.tables.items()}
    found = [
        *audit.class_means(reported),
        *audit.gains(reported, declared.runs),
        *audit.repeated(reported),
        *audit.backgrounds(reported),
        *audit.quotes(reported, declared.runs),
    ]
    return {check.check: check for check in found}


def contradictions():
    return {name for name, check in checks().items() if not check.agrees}


def change(file, old, new):
    path = paths.reported_file(file)
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_the_paper_contradicts_itself_in_one_number(project):
    assert contradictions() == {REPEATED, BACKGROUND}
    found = checks()
    assert (found[REPEATED].printed, found[REPEATED].recomputed) == ("70.6", 72.4)
    # (19 * 77.8 - 14 * 70.6) / 5; Table 1: (98.0 + 84.4 + 92.4 + 92.7 + 94.6) / 5 to (98.2 + ... + 95.3) / 5
    assert (found[BACKGROUND].printed, found[BACKGROUND].recomputed) == ("92.4 to 93.2", 97.96)


def test_with_the_other_number_it_agrees_with_itself(project):
    change("table_3", "fcn_r101,77.8,70.6", "fcn_r101,77.8,72.4")
    assert contradictions() == set()


def test_every_row_of_table_1_agrees(project):
    found = {name: check for name, check in checks().items() if name.startswith("table_1")}
    assert [check.recomputed for check in found.values()] == pytest.approx(
        [76.26, 70.49, 78.53, 73.42, 77.84, 72.36, 80.69, 76.22], abs=0.006
    )
    assert [check.printed for check in found.values()] == [
        "76.3",
        "70.5",
        "78.5",
        "73.4",
        "77.8",
        "72.4",
        "80.7",
        "76.2",
    ]
    assert all(check.verdict == "agrees" for check in found.values())


@pytest.mark.parametrize(
    ("name", "recomputed"),
    [
        ("table_2 pspnet_r50_fbnet: f_miou_gain over pspnet_r50", 1.7),  # 76.2 - 74.5
        ("table_4 fcn_r101_pce_dfm: miou_gain over fcn_r101", 1.6),  # 79.4 - 77.8
        ("table_3 fcn_r101_fbnet_all: background mean left by miou and f_miou, classes elsewhere", 93.4),
        ("table_2 pspnet_r50_fbnet: background mean left by miou and f_miou, classes elsewhere", 92.54),
        ("Sec. 4.2: FCN R101 f-mIoU improves by 3.8%", 3.8),  # 76.2 - 72.4
        ("Sec. 4.2: up to 1.2% on mIoU", 1.2),  # of 80.5 - 79.3 and 80.6 - 79.5
        ("Sec. 4.2: around 0.1% over PSPNet", 0.141),  # 100 * 0.76 / 540.78
        ("Sec. 4.2: 2.9% > 0.9% + 1.2%", 2.1),
        ("Sec. 4.3: 82.4% mIoU with ResNet101 backbone", 82.4),
        ("Sec. 4.3: 82.4% is a new SOTA result without extra data", 82.3),  # of RecoNet and QCO
        ("Sec. 4.3: 83.9% is a new SOTA result of all methods", 83.2),  # of HANet
        ("Sec. 4.3: BDD100K mIoU from 64.91%", 64.9),  # which the table rounds
        ("Sec. 4.3: 66.3% is SOTA performance on BDD100K", 65.6),  # of HANet
    ],
)
def test_by_hand(project, name, recomputed):
    check = checks()[name]
    assert check.recomputed == pytest.approx(recomputed, abs=1e-9)
    assert check.agrees


@pytest.mark.parametrize(
    ("file", "old", "new", "name"),
    [
        ("table_1", "47.0,59.0", "57.0,59.0", "table_1 fcn_r50: mean of 14 classes is f_miou"),
        ("table_1", "98.0,84.4", "98.0,74.4", "table_1 fcn_r50: mean of 19 classes is miou"),
        ("table_1", "fcn_r50,76.3", "fcn_r50,76.4", "table_1 fcn_r50: mean of 19 classes is miou"),
        ("table_2", "80.5,1.2", "80.5,1.4", "table_2 pspnet_r50_fbnet: miou_gain over pspnet_r50"),
        ("table_2", "541.54", "541.64", "Sec. 4.2: 0.76 GFLOPs over PSPNet"),
        ("table_2", "541.54", "542.54", "Sec. 4.2: around 0.1% over PSPNet"),
        (
            "table_3",
            "78.7,73.6",
            "78.7,72.6",
            "table_3 fcn_r101_fbnet_res2: background mean left by miou and f_miou, classes elsewhere",
        ),
        ("table_4", "fcn_r101,77.8", "fcn_r101,77.7", "table_4 fcn_r101: miou as in table_1"),
        ("table_4", "79.0,1.2", "80.0,2.2", "Sec. 4.2: 2.9% > 0.9% + 1.2%"),
        ("quoted", "77.8,value", "77.7,value", "Sec. 4.2: FCN R101 mIoU from 77.8%"),
        ("quoted", "3.8,gain", "4.1,gain", "Sec. 4.2: FCN R101 f-mIoU improves by 3.8%"),
        ("quoted", "64.91,value", "64.96,value", "Sec. 4.3: BDD100K mIoU from 64.91%"),
        ("table_5", "qco,82.3", "qco,82.4", "Sec. 4.3: 82.4% is a new SOTA result without extra data"),
        ("table_5", "hanet_resnext,83.2", "hanet_resnext,84.0", "Sec. 4.3: 83.9% is a new SOTA result of all methods"),
        ("table_6", "hanet_bdd100k,65.6", "hanet_bdd100k,66.3", "Sec. 4.3: 66.3% is SOTA performance on BDD100K"),
    ],
)
def test_another_number_is_another_contradiction(project, file, old, new, name):
    change(file, old, new)
    assert name in contradictions()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("table_1", "fcn_r50,76.3", "fcn_r50,76.2"),  # the classes' mean is 76.26
        ("table_2", "76.2,1.7", "76.2,1.8"),  # 76.24 - 74.45 is 1.79
        ("quoted", "64.91,value", "65,value"),  # 64.9 without its decimal
        ("table_5", "hanet_resnext,83.2", "hanet_resnext,83.8"),  # still below 83.9
    ],
)
def test_what_rounding_explains_is_no_contradiction(project, file, old, new):
    change(file, old, new)
    assert contradictions() == {REPEATED, BACKGROUND}


def test_numbers_that_are_not_printed_are_passed_over(project):
    change("table_3", "fcn_r101,77.8,70.6", "fcn_r101,77.8,")
    change("table_1", "fcn_r50,76.3,,70.5,,98.0", "fcn_r50,76.3,,70.5,,")
    assert contradictions() == set()
    assert "table_1 fcn_r50: mean of 19 classes is miou" not in checks()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("claim,section", "section,claim", "line 1: the header must be claim,section,printed"),
        ("77.8,value", "77.8,value,", "line 2: must hold 7 cells, not 8"),
        ("77.8,value", "77.8,worth", "line 2: no measure 'worth'; choose from value, gain"),
        ("77.8,value", "about 78,value", "line 2: printed: must be a number, not 'about 78'"),
        ("77.8,value,table_1", "77.8,value,table_5", "line 2: table_5 has no 'miou' of fcn_r101; name"),
        ("77.8,value,table_1,miou,fcn_r101", "77.8,value,table_1,miou,", "line 2: runs: is empty; name"),
        ("2.9,gain,table_1,miou,fcn_r101_fbnet", "2.9,gain,table_1,miou,fcn_r50", "line 6: 'fcn_r50' has no baseline"),
        (" reconet qco", " reconet qcq", "line 19: table_5 has no 'test_miou' of qcq; name a number that it has"),
    ],
)
def test_damaged_quotes_are_refused_by_line(project, old, new, message):
    change("quoted", old, new)
    with pytest.raises(InputError) as error:
        checks()
    assert str(error.value).startswith(f"params/reported/quoted.csv: {message}")


def test_the_best_of_a_table_needs_others(project):
    lines = paths.reported_file("table_6").read_text().splitlines()
    kept = [line for line in lines if line.startswith(("run", "deeplabv3plus_r101_fbnet"))]
    paths.reported_file("table_6").write_text("\n".join(kept) + "\n")
    change("quoted", "64.91,value,table_6,miou,deeplabv3plus_r101_bdd100k", "76.3,value,table_1,miou,fcn_r50")
    with pytest.raises(InputError, match="line 24: deeplabv3plus_r101_fbnet_bdd100k stands alone in table_6; name"):
        checks()


def test_missing_quotes_are_refused(project):
    paths.reported_file("quoted").unlink()
    with pytest.raises(InputError, match=r"quoted\.csv: cannot be read .*; restore it"):
        checks()


def test_command_as_json(project):
    result = fbnet("audit", "--paper", "--json")
    assert result.returncode == 0, result.stderr
    content = json.loads(result.stdout)
    recomputed = {check["check"]: check["recomputed"] for check in content["checks"]}
    assert recomputed["table_2 pspnet_r50: gflops, counted by `fbnet flops`"] == pytest.approx(540.776, abs=1e-3)
    ours = "table_2 pspnet_r50_fbnet: gflops over pspnet_r50, counted by `fbnet flops`"
    assert recomputed[ours] == pytest.approx(0.54, abs=0.01)
    contradicting = {check["check"] for check in content["checks"] if check["verdict"] == "contradicts"}
    deeplab = "table_2 deeplabv3plus_r50_fbnet: gflops over deeplabv3plus_r50, counted by `fbnet flops`"
    assert contradicting == {REPEATED, BACKGROUND, ours, deeplab}
    assert (content["agrees"], content["contradicts"]) == (len(recomputed) - 4, 4)


def test_command_as_a_table(project):
    lines = fbnet("audit", "--paper").stdout.splitlines()
    assert lines[0].split() == ["check", "printed", "recomputed", "verdict"]
    assert next(line for line in lines if line.startswith(REPEATED)).split()[-3:] == ["70.6", "72.4", "contradicts"]
    assert lines[-1] == f"{len(lines) - 7} agree, 4 contradict"
