"""What trainings ask of a cluster, against the profile and numbers worked out by hand."""

import json

import pytest
import yaml

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.planning.requests import memory_mb
from tests.conftest import ROOT
from tests.test_cli import fbnet, refused

PRETRAINING = "deeplabv3plus_wrn38_mapillary"


@pytest.fixture
def profile(project):
    """The shipped profile."""
    paths.SLURM_PROFILE.parent.mkdir(parents=True)
    paths.SLURM_PROFILE.write_text((ROOT / paths.SLURM_PROFILE).read_text())
    return paths.SLURM_PROFILE


def requests(*arguments):
    result = fbnet("plan", "--slurm", "--json", *arguments)
    assert result.returncode == 0, result.stderr
    return {entry["run"]: entry for entry in json.loads(result.stdout)}


@pytest.mark.slow
def test_the_paper(profile):
    """WiderResNet-38's pre-training: 196,875 iterations of 0.722 s are 39.5 hours, in jobs of 24."""
    asked = requests("--study", "paper")
    assert set(asked) == set(load_study("paper").runs)
    assert {(entry["gpus"], entry["cores"], entry["memory_mb"], entry["minutes"]) for entry in asked.values()} == {
        (1, 8, 28_000, 24 * 60)
    }
    assert {run for run, entry in asked.items() if entry["jobs"] > 1} == {PRETRAINING}
    assert asked[PRETRAINING]["hours"] == pytest.approx(39.5, abs=0.05)
    assert asked[PRETRAINING]["jobs"] == 2
    assert asked[PRETRAINING]["gpu_gib"] == pytest.approx(46.6, abs=0.05)

    small = requests("--study", "paper", "--hardware", "l40s")  # 44 GiB
    assert {run for run, entry in small.items() if entry["gpus"] == 2} == {run for run in small if "wrn38" in run}
    # Of 46.6 GiB, 14 bytes for each of 137 million parameters are on both GPUs.
    assert small[PRETRAINING]["gpu_gib"] == pytest.approx((46.6 + 1.8) / 2, abs=0.1)
    text = fbnet("plan", "--slurm", "--study", "paper", "--hardware", "l40s").stdout
    assert f"{PRETRAINING}: needs --set-resources train:gpu=2" in text


def test_numbers_of_the_profile(profile):
    content = yaml.safe_load(profile.read_text())
    content["set-threads"]["train"] = 4
    profile.write_text(yaml.safe_dump(content))
    (asked, *_) = requests("--study", "trio").values()
    assert asked["cores"] == 4
    assert asked["memory_mb"] == memory_mb(4) == 20_000
    profile.write_text(yaml.safe_dump(content | {"set-resources": {"train": {"runtime": 90, "mem_mb": 5000}}}))
    (asked, *_) = requests("--study", "trio").values()
    assert (asked["minutes"], asked["memory_mb"]) == (90, 5000)


@pytest.mark.parametrize("minutes", ["1d", 0])
def test_bad_numbers_of_the_profile(profile, minutes):
    profile.write_text(yaml.safe_dump({"set-resources": {"train": {"runtime": minutes}}}))
    message = refused(fbnet("plan", "--slurm", "--study", "trio"))
    assert message.startswith(f"fbnet: {profile}: set-resources: train: runtime: {minutes!r} is not a positive number")


def test_a_gpu_that_is_too_small(profile):
    machine = yaml.safe_load(paths.HARDWARE_FILE.read_text())["h100"] | {"memory_gib": 0.001}
    paths.HARDWARE_FILE.write_text(yaml.safe_dump({"tiny": machine}))
    assert "does not fit into GPUs of 0.001 GiB" in refused(fbnet("plan", "--slurm", "--study", "trio"))
