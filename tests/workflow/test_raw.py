"""Raw data that change: everything of that data set is planned again; a file that was only touched plans nothing."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from fbnet.config.datasets import DataConfig
from tests.workflow.conftest import STUDY, Clone, make_clone

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

IMAGE = "data/raw/camvid/train/f1.png"
CAMVID = {"dataset": "camvid", "root": "data/raw/camvid", "train": "train", "evaluate": "test"}
TRAIN = DataConfig.model_validate(CAMVID).packed_name("train")
JOBS = {
    "prepare_cityscapes_train",
    "train fcn_r50 seed0",
    "evaluate fcn_r50 seed0",
    "train fcn_r50_fbnet seed0",
    "evaluate fcn_r50_fbnet seed0",
    "table table_1",
}


def write_image(path: Path, seed: int) -> None:
    """Uncompressed, so that any two are of one size in bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, compress_level=0)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Clone:
    """A study of two runs on a few frames in the folders of CamVid, made."""
    clone = make_clone(tmp_path_factory.mktemp("raw") / "project")
    for split in ("train", "test"):
        for folder in (split, f"{split}annot"):
            (clone.folder / "data/raw/camvid" / folder).mkdir(parents=True)
        for index in range(4):
            write_image(clone.folder / f"data/raw/camvid/{split}/f{index}.png", index)
            labels = np.full((64, 96), index, dtype=np.uint8)
            Image.fromarray(labels).save(clone.folder / f"data/raw/camvid/{split}annot/f{index}.png")
    study = STUDY | {
        "data": {"cityscapes": CAMVID},
        "runs": ["fcn_r50", "fcn_r50_fbnet"],
        "tables": ["table_1"],
        "figures": [],
    }
    (clone.folder / "params/studies/toy.yaml").write_text(yaml.safe_dump(study))
    clone.snakemake()
    assert clone.planned() == set()
    return clone


@pytest.fixture
def image(project):
    """An image that is as it was in the end."""
    path = project.folder / IMAGE
    content, status = path.read_bytes(), path.stat()
    yield path
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_another_image_of_the_same_size(project, image):
    size = image.stat().st_size
    write_image(image, 77)
    assert image.stat().st_size == size
    assert project.planned() == JOBS
    assert f"prepare {TRAIN.replace('/', ' ')} is stale: {IMAGE} changed" in project.snakemake("-n").stderr


def test_another_size(project, image):
    image.write_bytes(image.read_bytes() + b" ")
    assert project.planned() == JOBS


def test_only_touched(project, image):
    os.utime(image, (1, 1))
    assert project.planned() == set()


def test_elsewhere_names_and_sizes_count(project, image):
    """Without recorded times, as on another machine, other modification times mean nothing."""
    listing = project.folder / f"work/raw/{TRAIN}.json"
    kept = listing.read_text()
    listing.unlink()
    os.utime(image, (1, 1))
    assert project.planned() == set()
    image.write_bytes(image.read_bytes() + b" ")
    assert project.planned() == JOBS
    listing.write_text(kept)


@pytest.mark.slow
def test_dvc_sees_them_as_well(project, image):
    """The stages depend on no raw file, as a clone may have none."""
    project.run("dvc", "repro", "toy@table_1")
    project.commit("Versions")
    records = sorted((project.folder / "data/provenance/prepare/camvid").glob("*.json"))
    before = [record.read_bytes() for record in records]
    project.run("dvc", "repro", "toy@table_1")
    assert project.git("status", "--porcelain") == ""
    image.write_bytes(image.read_bytes() + b" ")
    project.run("dvc", "repro", "toy@table_1")
    assert [record.read_bytes() for record in records] != before
    assert project.planned() == set()


def test_without_the_raw_data(project):
    raw = project.folder / "data/raw"
    raw.rename(project.folder / "away")
    assert project.planned() == set()
    (project.folder / "away").rename(raw)
