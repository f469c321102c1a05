"""Measurements of feature camouflage of a trained toy, against what is recomputed here step by step."""

import json

import numpy as np
import pytest
import torch

from fbnet import paths
from fbnet.config.labels import CITYSCAPES, IGNORE_INDEX
from fbnet.config.load import load_study
from fbnet.data.packed import open_split
from fbnet.errors import InputError
from fbnet.evaluation.evaluate import evaluate, load_run
from fbnet.evaluation.measure import foreground_shares, measure
from fbnet.evaluation.predictor import balance_map
from fbnet.evaluation.stage_features import stage_features
from fbnet.training.train import train
from tests.conftest import prepare_all

CPU = torch.device("cpu")
RUN = "fcn_r50_fbnet"
STAGES = ["res2", "res3", "res4", "res5"]


@pytest.fixture
def study(project):
    study = load_study("toy")
    prepare_all(study.data)
    train(study, study.run(RUN), 0, CPU)
    return study


def measured(study, run=RUN):
    measure(study, study.run(run), 0, CPU)
    return json.loads(paths.camouflage_file(study.name, run, 0).read_text())


class TestMeasure:
    def test_predictions_are_those_of_the_evaluation(self, study):
        evaluate(study, study.run(RUN), 0, CPU)
        expected = json.loads(paths.metrics_file(study.name, RUN, 0).read_text())["confusion_matrix"]
        content = measured(study)
        assert np.sum(content["confusion_by_distance"], axis=0).tolist() == expected
        true = np.sum(content["counts_by_size"]["true_positives"], axis=0)
        ids = list(CITYSCAPES.foreground_ids)
        assert true[ids].tolist() == np.diag(expected)[ids].tolist()

    def test_every_stage_has_a_probe(self, study):
        content = measured(study)
        assert list(content["probe"]) == list(content["intensity"]) == STAGES
        for areas in content["probe"].values():
            assert list(areas) == ["foreground", *CITYSCAPES.foreground]
            assert all(0 <= area <= 1 for area in areas.values() if area is not None)
            assert areas["foreground"] > 0.5  # even features that hardly learnt tell drawn objects from background

    def test_intensity_by_hand(self, study):
        """On an image whose sides are multiples of the stride, by torch's own resizing of the magnitude."""
        network, _ = load_run(study, study.run(RUN), 0)
        split = open_split(study.data, "val")
        content = measured(study)["intensity"]["res5"]
        for index in range(2):
            labels = split.labels(index)
            *_, last = stage_features(network, split.image(index), CPU, "float32")
            foreground = np.isin(labels, CITYSCAPES.foreground_ids)
            for name, values in (("original", last.original), ("modulated", last.modulated)):
                magnitude = torch.nn.functional.interpolate(
                    values.abs().mean(dim=1, keepdim=True), labels.shape, mode="bilinear"
                )[0, 0].numpy()
                background = (labels != IGNORE_INDEX) & ~foreground
                assert content[name][index] == pytest.approx(
                    [magnitude[foreground].mean(), magnitude[background].mean()], rel=1e-5
                )
        assert "modulated" not in measured(study)["intensity"]["res4"]

    def test_repeats_to_the_byte(self, study):
        assert measured(study) == measured(study)

    def test_without_foreground_nothing_is_written(self, study):
        labels = paths.array_file(study.data.packed_name("train"), "labels")
        array = np.fromfile(labels, dtype=np.uint8)
        array[np.isin(array, CITYSCAPES.foreground_ids)] = 0
        array.tofile(labels)
        with pytest.raises(InputError, match="no foreground"):
            measure(study, study.run(RUN), 0, CPU)
        assert not paths.camouflage_file(study.name, RUN, 0).exists()


class TestStageFeatures:
    def test_are_those_of_the_forward_pass(self, study):
        network, _ = load_run(study, study.run(RUN), 0)
        image = open_split(study.data, "val").image(0)
        seen = {}
        for name, stage in network.backbone.stages():
            stage.register_forward_hook(lambda _module, _inputs, output, name=name: seen.setdefault(name, output))
        found = {features.stage: features for features in stage_features(network, image, CPU, "float32")}
        assert list(found) == STAGES
        assert all(torch.equal(found[name].original, seen[name]) for name in STAGES)
        assert all(torch.equal(found[name].passed_on, found[name].original) for name in STAGES[:3])
        assert torch.equal(found["res5"].passed_on, found["res5"].original + found["res5"].modulated)

    def test_x_o_is_that_of_figure_7(self, study):
        network, _ = load_run(study, study.run(RUN), 0)
        image = open_split(study.data, "val").image(0)
        *_, last = stage_features(network, image, CPU, "float32")
        expected = balance_map(network, image, CPU, "float32")
        assert last.modulated[0].mean(dim=0).numpy() == pytest.approx(expected, abs=1e-6)

    def test_what_follows_is_computed_as_before(self, study):
        """Neither inference mode nor bfloat16 lasts longer than the forward pass."""
        network, _ = load_run(study, study.run(RUN), 0)
        for _features in stage_features(network, np.zeros((32, 64, 3), dtype=np.uint8), CPU, "bfloat16"):
            assert not torch.is_inference_mode_enabled()
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32

    def test_an_image_of_any_size_is_padded(self, study):
        network, _ = load_run(study, study.run(RUN), 0)
        for features in stage_features(network, np.zeros((33, 50, 3), dtype=np.uint8), CPU, "float32"):
            assert features.passed_on.shape[-2:] == (40 // features.stride, 56 // features.stride)


def test_foreground_shares_by_hand():
    """Blocks of 2 x 2, of which the last column reaches beyond the image."""
    labels = np.array(
        [[11, 0, 0, 0, 11], [0, 0, 11, 11, 255], [255, 255, 0, 255, 0], [255, 255, 255, 11, 11]], np.uint8
    )
    shares = foreground_shares(labels, (11, 12), (2, 3), 2)
    assert shares == pytest.approx(np.array([[0.25, 0.5, 1.0], [np.nan, 0.5, 0.5]]), nan_ok=True)
