"""Tests of the zip for the test server, by cityscapesScripts' own evaluator and by damaged and foreign zips."""

import io
import shutil
import zipfile
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
from PIL import Image

from fbnet import paths
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_study
from fbnet.config.registry import DATASETS
from fbnet.data.packed import open_split
from fbnet.errors import InputError
from fbnet.evaluation import submission
from fbnet.evaluation.predictor import predict_labels
from fbnet.evaluation.score import score
from fbnet.models import checkpoint
from fbnet.models.build import build
from fbnet.training import train
from tests.conftest import EVERYTHING, prepare_all
from tests.data.test_images import png
from tests.evaluation.test_score import official_scores

CPU = torch.device("cpu")
RUN = "deeplabv3plus_r101_fbnet_trainval"


@pytest.fixture
def study(project):
    project.write_study(**{key: EVERYTHING[key] for key in ("data", "recipes", "multi_scale", "tables")})
    study = load_study("toy")
    prepare_all(study.role("cityscapes_test"))
    return study


def save(study, run=RUN, **changes):
    """Save an untrained network as the checkpoint of a run."""
    torch.manual_seed(0)
    labels = changes.pop("labels", CITYSCAPES)
    config = checkpoint.CheckpointConfig(
        study="toy",
        run=study.run(run),
        seed=0,
        dataset=study.data_of(run).dataset,
        width=study.settings.width,
        training=study.training_of(run),
        iterations=1,
        torch_version="",
    )
    network = build(study.run(run), labels, width=study.settings.width)
    checkpoint.save(paths.checkpoint_file("toy", run, 0), network, config.model_copy(update=changes))


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {name: np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in archive.namelist()}


def test_label_ids_of_every_test_image(study):
    save(study)
    path = submission.submit(study, study.run(RUN), 0, CPU)
    assert path == paths.export_file("toy", RUN, 0)
    split = open_split(study.role("cityscapes_test"), "test")
    network, _ = checkpoint.load(paths.checkpoint_file("toy", RUN, 0))
    maps = contents(path)
    assert sorted(maps) == sorted(f"{name}_labelIds.png" for name in split.names)
    for index, name in enumerate(split.names):
        prediction = predict_labels(network, split.image(index), study.evaluation("multi_scale"), CPU)
        ids = maps[f"{name}_labelIds.png"]
        assert ids.dtype == np.uint8
        assert np.array_equal(CITYSCAPES.train_ids[ids], prediction)


def test_the_official_evaluator_takes_it(study, tmp_path, monkeypatch):
    """It pairs every ground truth with its prediction and agrees with `fbnet score`."""
    save(study)
    with zipfile.ZipFile(submission.submit(study, study.run(RUN), 0, CPU)) as archive:
        archive.extractall(tmp_path / "predictions")
    monkeypatch.setattr(official.args, "predictionPath", str(tmp_path / "predictions"))
    monkeypatch.setattr(official.args, "predictionWalk", None)
    labels = study.role("cityscapes_test").raw_root / "test/gtFine/test"
    truths = sorted(labels.glob("*/*_gtFine_labelIds.png"))
    assert len(truths) == 3
    found = [(official.getPrediction(official.args, str(truth)), truth) for truth in truths]
    expected = official_scores(found, monkeypatch)
    ours = score("cityscapes", tmp_path / "predictions", labels)
    assert ours["miou"] == pytest.approx(expected["averageScoreClasses"], abs=1e-9)


def test_equal_predictions_make_equal_files(study):
    save(study)
    first = submission.submit(study, study.run(RUN), 0, CPU).read_bytes()
    assert submission.submit(study, study.run(RUN), 0, CPU).read_bytes() == first


class TestRefused:
    def refused(self, study, message, run=RUN):
        with pytest.raises(InputError, match=message) as raised:
            submission.submit(study, study.run(run), 0, CPU)
        assert "\n" not in str(raised.value)
        assert not paths.export_file("toy", run, 0).exists()

    def test_no_checkpoint(self, study):
        self.refused(study, r"model\.pt: not there; train this run first")

    def test_other_classes(self, project, study):
        camvid = {"dataset": "camvid", "root": "data/raw/camvid", "train": "train", "evaluate": "test"}
        data = {"cityscapes": camvid, "cityscapes_test": EVERYTHING["data"]["cityscapes_test"]}
        scales = EVERYTHING["multi_scale"]
        project.write_study(data=data, runs=[RUN], tables=["table_5"], figures=[], multi_scale=scales)
        study = load_study("toy")
        save(study, labels=study.data.labels)
        self.refused(study, r"model\.pt: has the 11 classes of camvid, not those of Cityscapes")

    def test_a_study_without_test_images(self, project):
        project.write_study()
        study = load_study("toy")
        self.refused(study, "no data 'cityscapes_test'; choose from cityscapes", run="fcn_r50")

    def test_test_images_that_are_not_prepared(self, study):
        save(study)
        shutil.rmtree("data/synthetic_test")
        self.refused(
            study, r"synthetic_test/test-\w{8}/manifest\.json: not there; prepare data set 'synthetic_test' again"
        )

    @pytest.mark.parametrize(
        ("images", "message"), [(2, "has 3 images, the benchmark 2"), (3, "is of 64 x 128 pixels, not 1024 x 2048")]
    )
    def test_not_the_benchmark(self, study, monkeypatch, images, message):
        save(study)
        entry = replace(DATASETS["synthetic_test"], images={"test": images}, size=(1024, 2048))
        monkeypatch.setitem(DATASETS, "synthetic_test", entry)
        self.refused(load_study("toy"), message)


class TestCheck:
    SIZES: ClassVar = {"a_000000_000019": (2, 3), "b_000000_000019": (2, 3)}

    def write(self, tmp_path, maps):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name, ids in maps:
                buffer = io.BytesIO()
                Image.fromarray(np.asarray(ids, dtype=np.uint8)).save(buffer, "PNG")
                archive.writestr(f"{name}_labelIds.png", buffer.getvalue())
        submission.check_submission(tmp_path / "a.zip", self.SIZES)

    def test_fits(self, tmp_path):
        self.write(tmp_path, [(name, np.full(size, 7)) for name, size in self.SIZES.items()])

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    @pytest.mark.parametrize(
        ("maps", "message"),
        [
            ([("a_000000_000019", [[7]])], "holds 1 files for 2 images, see b_000000_000019"),
            ([(name, [[7] * 3] * 2) for name in (*SIZES, "c")], "holds 3 files for 2 images, see c_labelIds"),
            ([(name, [[7] * 3] * 2) for name in (*SIZES, *SIZES)], "holds 4 files for 2 images, see a_000000"),
            ([(name, [[7] * 2] * 3) for name in SIZES], r"a_000000_000019_labelIds.png has size \(3, 2\)"),
            ([(name, [[7, 8, 255]] * 2) for name in SIZES], "holds id 255, which is no class"),
            ([(name, [[7, 8, 9]] * 2) for name in SIZES], "holds id 9, which is no class"),
        ],
    )
    def test_does_not_fit(self, tmp_path, maps, message):
        with pytest.raises(InputError, match=message):
            self.write(tmp_path, maps)


def test_train_and_export(study):
    """Train on train and val, then export."""
    prepare_all(study.data)
    train.train(study, study.run(RUN), 0, CPU)
    assert len(contents(submission.submit(study, study.run(RUN), 0, CPU))) == 3


class TestForeignZips:
    """Zips that this package did not write."""

    SIZES: ClassVar = {"ulm_000000_000019": (4, 6)}
    NAME = "ulm_000000_000019_labelIds.png"

    def refused(self, path):
        with pytest.raises(InputError) as raised:
            submission.check_submission(path, self.SIZES)
        assert "\n" not in str(raised.value)
        return str(raised.value).removeprefix(f"{path}: ")

    def test_no_zip(self, tmp_path):
        (tmp_path / "x.zip").write_bytes(b"PK")
        assert self.refused(tmp_path / "x.zip").startswith("not a zip file")
        assert self.refused(tmp_path / "y.zip").startswith("not a zip file")

    def test_a_name_that_leaves_the_folder(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr(f"../{self.NAME}", b"")
        assert self.refused(tmp_path / "x.zip").startswith("holds 1 files for 1 images, see ../ulm")

    def test_compressed_zeros(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(self.NAME, bytes(10**6))
        assert self.refused(tmp_path / "x.zip") == f"{self.NAME} is compressed; run `fbnet submit` again"

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"", "cannot be read as an image"),
            (png(60_000, 60_000), "claims more than 134,217,728 pixels"),
            (png(6, 4), "mode RGB; a label map has one channel of 8 bits"),
        ],
    )
    def test_no_map(self, tmp_path, content, problem):
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr(self.NAME, content)
        assert self.refused(tmp_path / "x.zip").startswith(f"{self.NAME}: {problem}")

    def test_a_damaged_member(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr(self.NAME, png(6, 4))
        whole = (tmp_path / "x.zip").read_bytes()
        (tmp_path / "x.zip").write_bytes(whole.replace(b"IDAT", b"IDAX"))
        assert self.refused(tmp_path / "x.zip").startswith(f"{self.NAME} is damaged (Bad CRC-32")
