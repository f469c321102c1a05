"""Data sets of one's own from a folder to a table, with the real Snakemake: drafted, and the original CamVid."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from fbnet.config.registry import DATASETS
from tests.own_data import COLOURS, SIZE, blocks, make_streets, photo, save
from tests.workflow.conftest import STUDY, Clone, make_clone

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

RUNS = ["fcn_r50", "fcn_r50_fbnet"]

# The 32 classes of the original release (Brostow et al., 2009) by the class that they belong to in the SegNet split.
ORIGINAL = """
root: camvid
splits:
  train: {images: 701_StillsRaw_full/*, labels: LabeledApproved_full/*_L.png, list: train.txt}
  test: {images: 701_StillsRaw_full/*, labels: LabeledApproved_full/*_L.png, list: test.txt}
names: {label: '(.+)_L\\.png'}
classes:
  sky: {colour: [70, 130, 180], rgb: [[128, 128, 128]]}
  building:
    colour: [70, 70, 70]
    rgb: [[128, 0, 0], [192, 0, 128], [0, 128, 64], [64, 0, 64], [64, 192, 0]]  # also archway, bridge, tunnel, wall
  pole: {colour: [153, 153, 153], rgb: [[192, 192, 128], [0, 0, 64]]}  # also traffic cone
  road: {colour: [128, 64, 128], rgb: [[128, 64, 128], [128, 0, 192], [192, 0, 64]]}  # also lane markings
  pavement: {colour: [244, 35, 232], rgb: [[0, 0, 192], [64, 192, 128], [128, 128, 192]]}  # also parking, shoulder
  tree: {colour: [107, 142, 35], rgb: [[128, 128, 0], [192, 192, 0]]}  # also other vegetation
  sign: {colour: [220, 220, 0], rgb: [[192, 128, 128], [128, 128, 64], [0, 64, 64]]}  # also text, traffic light
  fence: {colour: [190, 153, 153], rgb: [[64, 64, 128]]}
  car:
    colour: [0, 0, 142]
    rgb: [[64, 0, 128], [64, 128, 192], [192, 128, 192], [192, 64, 128], [128, 64, 64]]  # also larger vehicles
  pedestrian:
    colour: [220, 20, 60]
    rgb: [[64, 64, 0], [192, 128, 64], [64, 0, 192], [64, 128, 64]]  # also child, luggage or pram, animal
  bicyclist: {colour: [119, 11, 32], rgb: [[0, 128, 192], [192, 0, 192]]}  # also motorcycle or scooter
ignore: {rgb: [[0, 0, 0]]}
foreground: [pole, sign, fence, car, pedestrian, bicyclist]
"""


def write_study(clone: Clone, name: str, data: dict) -> None:
    study = STUDY | {"data": {"cityscapes": data}, "runs": RUNS, "tables": ["table_1"], "figures": ["figure_1"]}
    (clone.folder / f"params/studies/{name}.yaml").write_text(yaml.safe_dump(study))


def table(clone: Clone, study: str) -> list[dict[str, str]]:
    with (clone.folder / f"results/{study}/tables/table_1.csv").open() as file:
        return list(csv.DictReader(file))


def make(clone: Clone, study: str) -> None:
    clone.run("snakemake", "--cores", "2", "--config", f"study={study}")
    assert "Nothing to be done" in clone.run("snakemake", "-n", "--config", f"study={study}").stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Clone:
    """A project whose study `toy` is made on built-in data, and `streets` on a drafted data set."""
    clone = make_clone(tmp_path_factory.mktemp("own") / "project")
    clone.change("params/studies/toy.yaml", runs=RUNS, tables=["table_1"])
    make(clone, "toy")
    make_streets(clone.folder / "data/raw/streets")
    clone.run("fbnet", "init-dataset", "data/raw/streets")
    write_study(clone, "streets", {"dataset": "streets", "train": "train", "evaluate": "val"})
    make(clone, "streets")
    return clone


def test_from_a_folder_to_a_table(project):
    rows = table(project, "streets")
    assert [row["run"] for row in rows] == RUNS
    columns = [f"colour_{'_'.join(map(str, colour))}" for colour in sorted(COLOURS.values())]
    for row in rows:
        assert 0 <= float(row["miou"]) <= 100
        assert [column for column in row if column in columns] == columns
        assert {value for key, value in row.items() if key.endswith(("_paper", "_diff"))} == {"-"}
    markdown = (project.folder / "results/streets/tables/table_1.md").read_text()
    assert "mIoU over 5 classes" in markdown
    assert "| paper" not in markdown


def test_audit_report_and_plan(project):
    assert "every cell holds" in project.run("fbnet", "audit", "--study", "streets", "--deep").stdout
    project.run("fbnet", "report", "--study", "streets")
    assert "train (6 images)" in (project.folder / "results/streets/report.html").read_text()
    assert "train 6, val 3" in project.run("fbnet", "plan", "--study", "streets").stdout


def test_predictions_in_its_colours_are_scored_as_evaluated(project, tmp_path):
    """Elsewhere, without the description, by the checkpoint alone; then scored as files of any program."""
    checkpoint = project.folder / "results/streets/runs/fcn_r50/seed0/model.pt"
    images = project.folder / "data/raw/streets/images/val"
    Clone(tmp_path).run(
        "fbnet",
        "predict",
        "--checkpoint",
        str(checkpoint),
        "--output",
        "out",
        str(images),
        PYTHONPATH=str(project.folder),
    )
    found = {
        tuple(colour)
        for path in tmp_path.glob("out/labels/*.png")
        for colour in np.array(Image.open(path)).reshape(-1, 3)
    }
    assert found <= set(COLOURS.values())
    scored = project.run(
        "fbnet",
        "score",
        "--dataset",
        "streets",
        "--predictions",
        str(tmp_path / "out/labels"),
        "--labels",
        str(images).replace("/images/", "/labels/"),
    ).stdout
    miou = next(line.split()[-1] for line in scored.splitlines() if line.startswith("mIoU"))
    assert float(miou) == pytest.approx(float(table(project, "streets")[0]["miou"]), abs=0.02)


def test_it_makes_nothing_else_stale(project):
    assert project.planned() == set()
    for record in (project.folder / "results/toy/provenance").rglob("*.json"):
        assert "streets" not in record.read_text()


@pytest.mark.parametrize(
    ("old", "new", "jobs"),
    [
        ("colour: [70, 70, 70]", "colour: [71, 70, 70]", {"figure"}),
        ("rgb: [[70, 70, 70]]", "rgb: [[70, 70, 70], [1, 2, 3]]", {"prepare", "train", "evaluate", "table", "figure"}),
    ],
)
def test_edits_of_the_description(project, old, new, jobs):
    file = "params/datasets/streets.yaml"
    text = (project.folder / file).read_text()
    project.edit(file, old, new)
    planned = project.run("snakemake", "-n", "--config", "study=streets").stdout
    (project.folder / file).write_text(text)
    rules = {
        line.split()[1].rstrip(":").partition("_")[0]
        for line in planned.splitlines()
        if line.startswith(("rule ", "localrule "))
    }
    assert rules - {"all"} == jobs


def test_bad_descriptions_end_in_one_line(project):
    file = project.folder / "params/datasets/streets.yaml"
    text = file.read_text()
    try:
        for edit, message in (
            (text + "foregrounds: [a]\n", "streets.yaml: foregrounds: unknown key; choose from "),
            (
                text.replace("foreground: [", "foreground: [kerb, "),
                "streets.yaml: foreground: no class 'kerb'; choose from",
            ),
            (
                text.replace("images/train/*", "image/train/*"),
                "streets.yaml: splits.train.images: 'image/train/*.png' matches",
            ),
        ):
            file.write_text(edit)
            for command in (("prepare", "--split", "train"), ("plan",)):
                done = project.run("fbnet", *command, "--study", "streets", check=False)
                if command == ("prepare", "--split", "train") or "matches" not in message:
                    assert done.returncode == 2
                    assert message in done.stderr
                    assert len(done.stderr.splitlines()) == 1
    finally:
        file.write_text(text)


def original_colours() -> list[list[tuple[int, ...]]]:
    """Colours of the original classes by the train id of the SegNet split, those of void last."""
    content = yaml.safe_load(ORIGINAL)
    return [*(entry["rgb"] for entry in content["classes"].values()), content["ignore"]["rgb"]]


def write_original(root: Path, split: str, name: str, image: np.ndarray, ids: np.ndarray) -> None:
    """Write a frame as the original release does, with one of the original classes for each pixel of its class."""
    rng, label = np.random.default_rng(len(name)), np.zeros((*ids.shape, 3), dtype=np.uint8)
    for train_id, colours in enumerate(original_colours()):
        inside = ids == train_id
        label[inside] = np.array(colours)[rng.integers(0, len(colours), inside.sum())]
    save(root / f"701_StillsRaw_full/{name}.png", image)
    save(root / f"LabeledApproved_full/{name}_L.png", label)
    with (root / f"{split}.txt").open("a") as file:
        file.write(f"{name}\n")


def block_frames(split: str, number: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, image and label map of ids of frames that show blocks."""
    for index in range(number):
        ids = blocks(100 * len(split) + index, 12, SIZE)
        yield f"{split}_{index}", photo(ids), ids


def real_frames(split: str, number: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """The same of the first frames of a split of CamVid."""
    root = Path(os.environ["CAMVID_ROOT"])
    for path in sorted((root / f"{split}annot").glob("*.png"))[:number]:
        image = Image.open(next((root / split).glob(f"{path.stem}.*"))).convert("RGB")
        yield path.stem, np.array(image), np.array(Image.open(path))


NO_CAMVID = pytest.mark.skipif("CAMVID_ROOT" not in os.environ, reason="CAMVID_ROOT names no CamVid folder")


@pytest.mark.parametrize("frames", [block_frames, pytest.param(real_frames, marks=NO_CAMVID)])
def test_the_original_camvid_needs_a_description_only(tmp_path, frames):
    """It is packed byte by byte as from the eleven classes of the SegNet split."""
    assert len({tuple(colour) for colours in original_colours() for colour in colours}) == 32
    clone = make_clone(tmp_path / "project")
    for split, number in (("train", 4), ("test", 2)):
        for name, image, ids in frames(split, number):
            write_original(clone.folder / "camvid", split, name, image, ids)
            save(clone.folder / f"segnet/{split}/{name}.png", image)
            save(clone.folder / f"segnet/{split}annot/{name}.png", ids)
    (clone.folder / "params/datasets").mkdir()
    (clone.folder / "params/datasets/camvid_original.yaml").write_text(ORIGINAL)
    uses = {"train": "train", "evaluate": "test"}
    write_study(clone, "original", {"dataset": "camvid_original"} | uses)
    write_study(clone, "segnet", {"dataset": "camvid", "root": "segnet"} | uses)
    make(clone, "original")
    clone.run("fbnet", "prepare", "--study", "segnet")
    for file in ("test-*/images.npy", "test-*/labels.npy", "train-*/images.npy", "train-*/labels.npy"):
        ours, theirs = (next((clone.folder / "data" / name).glob(file)) for name in ("camvid_original", "camvid"))
        assert ours.read_bytes() == theirs.read_bytes()
    rows = table(clone, "original")
    assert [row["run"] for row in rows] == RUNS
    assert set(DATASETS["camvid"].labels.classes) < set(rows[0])
