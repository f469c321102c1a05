"""`fbnet audit --study`: files, histories, pictures and predictions that do not hold."""

import shutil

import numpy as np
import pytest
from PIL import Image

from tests.conftest import VAL
from tests.workflow.audits import RECORDS, RUN, audit, change_json, failures, record_again

pytestmark = pytest.mark.workflow


class TestHistories:
    @pytest.mark.parametrize(
        ("spoil", "problem"),
        [
            (lambda text: text.replace(",2,", ",two,"), "not a history as `fbnet train` writes it (invalid literal"),
            (lambda text: text.splitlines()[0] + "\n", "holds 0 epochs, not those of the training, in order"),
            (lambda text: text + text.splitlines()[1] + "\n", "holds 2 epochs, not those of the training, in order"),
        ],
    )
    def test_a_damaged_one(self, clone, spoil, problem):
        path = clone.folder / RUN / "history.csv"
        path.write_text(spoil(path.read_text()))
        (found,) = failures(clone)
        assert found.startswith(f"{RUN}/history.csv: {problem}")

    def test_a_missing_one(self, clone):
        (clone.folder / RUN / "history.csv").unlink()
        assert len(failures(clone)) == 1


@pytest.mark.slow
class TestFiles:
    def test_another_runs_checkpoint(self, copy):
        path = f"{RUN}/model.pt"
        shutil.copy(copy.folder / "results/toy/runs/pspnet_r50/seed0/model.pt", copy.folder / path)
        expected = [
            f"{path}: its sha256 is not the recorded one",
            f"{RUN}/samples.npz: {path}: trained with parameters other than the study's; train this run again",
        ]
        assert failures(copy) == expected[:1]
        assert failures(copy, "--deep") == expected

    def test_an_array_of_prepared_data(self, copy):
        path = f"data/{VAL}/labels.npy"
        labels = np.load(copy.folder / path, mmap_mode="r+")
        labels[0] += 1
        labels.flush()
        assert failures(copy) == [f"{path}: its sha256 is not the recorded one"]

    def test_a_manifest(self, copy):
        path = f"data/{VAL}/manifest.json"
        (copy.folder / path).write_text("{}")
        assert failures(copy) == [f"{path}: its sha256 is not the recorded one"]

    def test_a_figure(self, clone):
        path = "results/toy/figures/figure_2.svg"
        (clone.folder / path).open("a").write("<!-- -->")
        assert failures(clone) == [f"{path}: its sha256 is not the recorded one"]


@pytest.mark.slow
class TestPictures:
    def test_samples_of_another_evaluation(self, copy):
        """Everything that is recorded agrees with the files, and yet one is not of this evaluation."""
        samples = copy.folder / RUN / "samples.npz"
        shutil.copy(copy.folder / RUN.replace("fcn", "pspnet") / "samples.npz", samples)
        record_again(copy, "evaluate", "fcn_r50/seed0")
        assert (
            f"{RUN}/samples.npz: is of another evaluation: the metrics beside it do not count its pixels"
            in failures(copy)
        )

    def test_a_retouched_figure(self, copy):
        path = copy.folder / "results/toy/figures/figure_2.png"
        with Image.open(path) as image:
            pixels = np.array(image)
        pixels[:5, :5] = 0
        Image.fromarray(pixels).save(path)
        record_again(copy, "figure", "figure_2")
        found = failures(copy)
        assert found == ["results/toy/figures/figure_2.png: is not the picture that samples and metrics give"]

    def test_another_matplotlib_is_noted(self, copy):
        path = copy.folder / RECORDS / "figure/figure_2.json"
        change_json(path, lambda record: record["environment"].update(matplotlib="3.9.0"))
        code, counts, lines = audit(copy)
        assert (code, counts["figures drawn again"]) == (0, (0, 1, 0))
        assert lines[0].startswith("note: figure_2 is not drawn again: matplotlib is ")


@pytest.mark.slow
class TestDeep:
    def samples(self, clone, change):
        """Changes the kept samples of a run, and lets the records agree."""
        path = clone.folder / RUN / "samples.npz"
        with np.load(path) as stored:
            arrays = dict(stored)
        change(arrays)
        np.savez_compressed(path, **arrays)
        record_again(clone, "evaluate", "fcn_r50/seed0")
        return f"{RUN}/samples.npz: {arrays['names'][1]}"

    def test_a_prediction_that_the_checkpoint_does_not_make(self, copy):
        def change(arrays):
            ignored = tuple(np.argwhere(arrays["label_1"] == 255)[0])  # so that the metrics do not count it
            arrays["prediction_1"][ignored] = (arrays["prediction_1"][ignored] + 1) % 19

        location = self.samples(copy, change)
        assert audit(copy)[0] == 0
        assert failures(copy, "--deep") == [f"{location}: 1 of 8192 pixels differ from the checkpoint's prediction"]

    def test_a_label_that_the_data_do_not_have(self, copy):
        def change(arrays):
            arrays["label_1"][0, 0] = (arrays["label_1"][0, 0] + 1) % 19

        location = self.samples(copy, change)
        assert failures(copy, "--deep") == [
            f"{RUN}/samples.npz: is of another evaluation: the metrics beside it do not count its pixels",
            f"{location}: image or label differ from the prepared data",
        ]
