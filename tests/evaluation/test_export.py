"""Tests of exported networks: run by onnxruntime and torch at several sizes, against our own prediction."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fbnet import __main__
from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.evaluation import deployed
from fbnet.evaluation import export as export_module
from fbnet.evaluation.deployed import DeployedNetwork
from fbnet.evaluation.export import FORMATS, METADATA, check, compare, export, open_onnx, open_program, sizes
from fbnet.evaluation.predictor import predict
from fbnet.models import checkpoint
from fbnet.models.build import build

CPU = torch.device("cpu")
SETTINGS = EvaluationConfig(precision="float32")
PAPER = (
    "fcn_r101", "fcn_r101_fbnet", "pspnet_r50", "pspnet_r50_fbnet", "deeplabv3plus_r101", "deeplabv3plus_r101_fbnet",
    "deeplabv3plus_wrn38_fbnet",
)  # fmt: skip
OTHER_SIZES = ((1, 40, 136), (3, 77, 59), (2, 16, 16))


def network_of(study, run, width, *, fbnet=True, seed=0):
    """A network with random weights and statistics, so that no layer is the identity or constant."""
    torch.manual_seed(seed)
    config = study.run(run)
    if not fbnet:
        config = config.model_copy(update={"balance": config.balance.model_copy(update={"stages": ()})})
    network = build(config, CITYSCAPES, width=width)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.5, 1)
            torch.nn.init.normal_(layer.bias, std=0.2)
            torch.nn.init.normal_(layer.running_mean, std=0.2)
            torch.nn.init.uniform_(layer.running_var, 0.5, 2)
    return network.eval(), config


def save(study, run="pspnet_r50_fbnet", width=0.0625, **changes):
    """Save a random network as a checkpoint and return it with its path."""
    network, config = network_of(study, run, width, **changes)
    described = checkpoint.CheckpointConfig(
        study=study.name, run=config, seed=0, dataset=study.data.dataset, width=width,
        training=study.settings.training, iterations=1, torch_version="",
    )  # fmt: skip
    path = Path("model.pt")
    checkpoint.save(path, network, described)
    return path, network


def images_of(number, height, width):
    return np.random.default_rng(1).integers(0, 256, (number, height, width, 3), dtype=np.uint8)


def ours(network, images):
    return np.stack([predict(network, image, SETTINGS, CPU).softmax(dim=0).numpy() for image in images])


def read_metadata(path, file_format):
    if file_format == "onnx":
        onnx = pytest.importorskip("onnx", reason="the extra export is not installed")
        return {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    extra = {METADATA: ""}
    with path.open("rb") as file:
        torch.export.load(file, extra_files=extra)
    return json.loads(extra[METADATA])


@pytest.fixture
def study(project):
    return load_study("toy")


@pytest.mark.parametrize("size", [*sizes(8), *OTHER_SIZES, (1, 5, 9)])
def test_steps_around_the_network_are_those_of_prediction(study, size):
    network, _ = network_of(study, "fcn_r50_fbnet", 0.0625)
    images = images_of(*size)
    with torch.inference_mode():
        found = DeployedNetwork(network, "softmax")(torch.from_numpy(images)).numpy()
        labels = DeployedNetwork(network, "labels")(torch.from_numpy(images))
    expected = ours(network, images)
    assert found.dtype == np.float32
    assert labels.dtype == torch.uint8
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert np.array_equal(labels.numpy(), found.argmax(axis=1))


class TestComparison:
    @pytest.mark.parametrize("returns", deployed.RETURNS)
    def test_same_network(self, study, returns):
        network, _ = network_of(study, "fcn_r50", 0.0625)
        with torch.inference_mode():
            same = compare(lambda x: DeployedNetwork(network, returns)(torch.from_numpy(x)).numpy(), network, returns)
        assert [(entry.images, entry.height, entry.width) for entry in same] == list(sizes(8))
        assert max(entry.difference for entry in same) <= 1e-5
        check(same, Path("x.onnx"))

    @pytest.mark.parametrize("returns", deployed.RETURNS)
    def test_another_network(self, study, returns):
        network, _ = network_of(study, "fcn_r50", 0.0625)
        other, _ = network_of(study, "fcn_r50", 0.0625, seed=1)
        with torch.inference_mode():
            found = compare(lambda x: DeployedNetwork(other, returns)(torch.from_numpy(x)).numpy(), network, returns)
        assert all(entry.difference > 1e-2 for entry in found)
        with pytest.raises(InputError, match=r"x\.onnx: not written, as the exported network differs from ours by \d"):
            check(found, Path("x.onnx"))

    def test_not_a_number(self, study):
        network, _ = network_of(study, "fcn_r50", 0.0625)
        found = compare(lambda x: np.full((len(x), 19, *x.shape[1:3]), np.nan, np.float32), network, "softmax")
        with pytest.raises(InputError, match="differs from ours by nan"):
            check(found, Path("x.onnx"))

    def test_difference_of_labels_is_in_probability(self, study):
        """Of the least probable labels, how much less probable they are than ours."""
        network, _ = network_of(study, "fcn_r50", 0.0625)
        expected = []

        def least_probable(images):
            probabilities = ours(network, images)
            expected.append(np.ptp(probabilities, axis=1).max())
            return probabilities.argmin(axis=1).astype(np.uint8)

        found = compare(least_probable, network, "labels")
        assert [entry.difference for entry in found] == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize("file_format", FORMATS)
class TestFile:
    def test_labels_and_metadata(self, study, file_format):
        if file_format == "onnx":
            pytest.importorskip("onnxruntime", reason="the extra export is not installed")
        path, network = save(study)
        output = Path("exported/network")
        export(path, output, file_format, "labels")
        opened = (open_onnx if file_format == "onnx" else open_program)(output)
        for size in OTHER_SIZES:
            images = images_of(*size)
            labels, expected = opened(images), ours(network, images)
            assert labels.dtype == np.uint8
            assert labels.shape == size
            chosen = np.take_along_axis(expected, labels[:, None].astype(int), axis=1)[:, 0]
            assert (expected.max(axis=1) - chosen).max() <= 1e-5
        found = read_metadata(output, file_format)
        assert (found["run"], found["dataset"]) == ("pspnet_r50_fbnet", "synthetic")
        classes = json.loads(found["classes"]) if file_format == "onnx" else found["classes"]
        assert [entry["name"] for entry in classes] == list(CITYSCAPES.classes)
        assert [tuple(entry["colour"]) for entry in classes] == list(CITYSCAPES.palette)
        assert tuple(entry["name"] for entry in classes if entry["foreground"]) == CITYSCAPES.foreground
        assert [path.name for path in output.parent.iterdir()] == ["network"]
        if file_format == "onnx":
            import onnx

            model = onnx.load(output)
            onnx.checker.check_model(model, full_check=True)
            assert found["opset"] == str(next(entry.version for entry in model.opset_import if not entry.domain))
            (given,) = model.graph.input
            axes = [axis.dim_param or axis.dim_value for axis in given.type.tensor_type.shape.dim]
            assert axes == ["batch", "height", "width", 3]

    def test_one_that_differs_is_not_written(self, study, file_format, monkeypatch):
        """An export that normalises otherwise is found out, and an earlier file stays."""
        if file_format == "onnx":
            pytest.importorskip("onnxruntime", reason="the extra export is not installed")
        path, _ = save(study)

        def normalised_otherwise(network):
            network.mean.zero_()
            return deployed.trace(network)

        monkeypatch.setattr(export_module, "trace", normalised_otherwise)
        output = Path("network")
        output.write_text("earlier")
        with pytest.raises(InputError, match="network: not written"):
            export(path, output, file_format, "softmax")
        assert output.read_text() == "earlier"
        assert not list(Path().glob("*.part"))


def test_no_checkpoint(project):
    with pytest.raises(InputError, match=r"model\.pt: not there"):
        export(Path("model.pt"), Path("x.pt2"), "torch-export", "softmax")


def test_without_the_extra(project, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(sys, "argv", ["fbnet", "export", "--checkpoint", "model.pt", "--output", "x.onnx"])
    with pytest.raises(SystemExit) as stop:
        __main__.main()
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "[export]" in line


def test_tracing_that_would_freeze_the_size_is_refused(study):
    for head in ("fcn_r50", "pspnet_r50", "deeplabv3plus_r50_fbnet"):
        network, _ = network_of(study, head, 0.0625)
        with torch.no_grad(), pytest.raises(RuntimeError, match="freeze the size"):
            torch.jit.trace(DeployedNetwork(network, "softmax"), torch.from_numpy(images_of(1, 32, 64)))


@pytest.mark.slow
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(("run", "fbnet"), [*((run, True) for run in PAPER), ("deeplabv3plus_wrn38_fbnet", False)])
def test_networks_of_the_paper(project, run, fbnet, file_format):
    """At an eighth of the width; without FBNet, the last is the baseline that the paper does not have."""
    if file_format == "onnx":
        pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    path, network = save(load_study("paper"), run, 0.125, fbnet=fbnet)
    output = Path("network")
    compared = export(path, output, file_format, "softmax")
    opened = (open_onnx if file_format == "onnx" else open_program)(output)
    differences = {size: float(np.abs(opened(i := images_of(*size)) - ours(network, i)).max()) for size in OTHER_SIZES}
    print(f"\n{run}, fbnet={fbnet}, {file_format}:", *compared, differences)
    assert max([*differences.values(), *(entry.difference for entry in compared)]) <= 1e-5
