"""Footprints in the cache folder: kept, and counted again when they do not hold."""

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from fbnet import paths
from fbnet.config.labels import CAMVID, CITYSCAPES
from fbnet.config.load import load_hardware
from fbnet.planning import footprint
from fbnet.planning.cost import estimate
from fbnet.planning.estimates import Estimate
from fbnet.planning.plan import make_plan
from tests.conftest import ROOT
from tests.made_up_results import change_study

RUN = "fcn_r50_fbnet"
RUN_PLAN = "from fbnet.cli import cli; cli(['plan', '--study', 'trio', '--json'], standalone_mode=False)"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pair(project):
    """A study of two networks."""
    return change_study("trio", runs=["fcn_r50", RUN], tables=["table_1"], figures=[])


@pytest.fixture
def counted(monkeypatch):
    """The estimates that were counted, in order."""
    found, count = [], footprint.footprint
    monkeypatch.setattr(footprint, "footprint", lambda wanted: (found.append(wanted), count(wanted))[1])
    return found


def estimate_of(study, **changes):
    values = {
        "run": study.run(RUN),
        "labels": CITYSCAPES,
        "training": study.training_of(RUN),
        "precision": "bfloat16",
        "width": 0.0625,
    }
    return Estimate(**values | changes)


def costs(study):
    """Costs of a study, with the footprints that are kept or counted."""
    return estimate(study, make_plan(study), load_hardware())


def test_what_was_counted_is_kept(pair, counted, cache):
    before = costs(pair)
    assert len(counted) == 2
    assert costs(pair) == before
    assert len(counted) == len(list((cache / "fbnet/estimates").iterdir())) == 2


def test_everything_that_a_footprint_depends_on_is_part_of_its_key(demo):
    training, other = demo.training_of(RUN), demo.run("pspnet_r50")
    changes = [
        {"run": other},
        {"labels": CAMVID},
        {"training": training.model_copy(update={"crop": (32, 64)})},
        {"training": training.model_copy(update={"batch_size": 2})},
        {"precision": "float32"},
        {"width": 0.125},
    ]
    assert len({estimate_of(demo, **change).key for change in [{}, *changes]}) == 7
    same = demo.run(RUN).model_copy(update={"id": "another", "label": "another", "baseline": None})
    longer = training.model_copy(update={"epochs": 99})
    assert estimate_of(demo, run=same, training=longer).key == estimate_of(demo).key


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace('"memory": ', '"memory": -'),
        lambda text: text.replace('"precision": "bfloat16"', '"precision": "float32"'),
        lambda text: text.replace('"parameters"', '"parametres"'),
    ],
)
def test_a_damaged_file_is_written_again(demo, counted, damage):
    wanted = estimate_of(demo)
    found = footprint.footprint(wanted)
    wanted.keep(found)
    file = paths.estimate_file(wanted.key)
    text = file.read_text()
    file.write_text(damage(text))
    assert wanted.read() is None
    wanted.keep(found)
    assert (file.read_text(), wanted.read()) == (text, found)


def test_of_another_version_of_torch_is_not_used(demo, monkeypatch):
    wanted = estimate_of(demo)
    wanted.keep(footprint.footprint(wanted))
    assert estimate_of(demo).read() is not None
    monkeypatch.setattr(metadata, "version", lambda name: "99.0")
    assert estimate_of(demo).read() is None


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "HOME"])
@pytest.mark.parametrize("folder", ["/dev/null", "/proc"])
def test_a_folder_that_cannot_be_written_costs_nothing_but_time(pair, counted, monkeypatch, variable, folder):
    expected = costs(pair)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv(variable, folder)
    counted.clear()
    assert costs(pair) == costs(pair) == expected
    assert len(counted) == 4


@pytest.mark.slow
def test_an_edit_of_a_network_s_source_counts(project, tmp_path, cache):
    """By the command in a copy of the package; a change of another network's source does not matter."""
    change_study("trio", runs=["fcn_r50"], tables=["table_1"], figures=[])
    shutil.copytree(ROOT / "fbnet", tmp_path / "package/fbnet", ignore=shutil.ignore_patterns("__pycache__"))

    def plan(*, loads_torch):
        code = f"import sys; {RUN_PLAN}; assert ('torch' in sys.modules) is {loads_torch}"
        environment = os.environ | {"PYTHONPATH": str(tmp_path / "package")}
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
        assert result.returncode == 0, result.stderr
        [run] = json.loads(result.stdout)["cost"]["runs"]
        return run["parameters"]

    def edit(module, before, after):
        path = Path(tmp_path / "package/fbnet/models", module)
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    parameters = plan(loads_torch=True)
    assert plan(loads_torch=False) == parameters
    edit("heads/pspnet.py", '"""', '"""Edited. ')
    assert plan(loads_torch=False) == parameters
    edit("backbones/resnet.py", "(3, 4, 6, 3)", "(3, 4, 7, 3)")
    assert plan(loads_torch=True) > parameters
    assert len(list((cache / "fbnet/estimates").iterdir())) == 1
