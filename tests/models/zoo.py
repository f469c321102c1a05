"""Networks of other libraries, randomly initialised and small, and the modules that feature balance follows in them."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from torch import Tensor, nn

CLASSES = 5


class Network(NamedTuple):
    """One network: its builder, the modules to follow, and how to read its output."""

    build: Callable[[], nn.Module]
    after: tuple[str, ...]
    read: Callable[[object], list[Tensor]]
    """Tensors of the output, to compare and to train."""
    unused: bool = False
    """It has weights that its output does not depend on."""
    grids: bool = False
    """It pools to a grid of regions, whose size torch's ONNX export freezes."""


def torchvision_segmentation(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from torchvision.models import segmentation

        return getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=CLASSES)

    return build


def smp(architecture: str, encoder: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        library = pytest.importorskip("segmentation_models_pytorch", reason="segmentation_models_pytorch is not there")
        return getattr(library, architecture)(encoder, encoder_weights=None, classes=CLASSES)

    return build


def timm_features(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        timm = pytest.importorskip("timm", reason="timm is not there")
        return timm.create_model(name, features_only=True, pretrained=False)

    return build


def segformer() -> nn.Module:
    transformers = pytest.importorskip("transformers", reason="transformers is not there")
    config = transformers.SegformerConfig(
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        num_labels=CLASSES,
    )
    return transformers.SegformerForSemanticSegmentation(config)


def upernet() -> nn.Module:
    transformers = pytest.importorskip("transformers", reason="transformers is not there")
    backbone = transformers.ConvNextConfig(
        hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], out_features=["stage1", "stage2", "stage3", "stage4"]
    )
    config = transformers.UperNetConfig(
        backbone_config=backbone,
        hidden_size=16,
        auxiliary_in_channels=24,
        auxiliary_channels=8,
        num_labels=CLASSES,
    )
    return transformers.UperNetForSemanticSegmentation(config)


def read_dict(output: dict) -> list[Tensor]:
    return list(output.values())


def read_logits(output: object) -> list[Tensor]:
    return [output.logits]


def read_tensor(output: Tensor) -> list[Tensor]:
    return [output]


NETWORKS = {
    "torchvision fcn_resnet50": Network(torchvision_segmentation("fcn_resnet50"), ("backbone.layer4",), read_dict),
    "torchvision deeplabv3_mobilenet_v3_large": Network(
        torchvision_segmentation("deeplabv3_mobilenet_v3_large"), ("backbone.16",), read_dict
    ),
    "torchvision lraspp": Network(
        torchvision_segmentation("lraspp_mobilenet_v3_large"), ("backbone.4", "backbone.16"), read_dict
    ),
    "smp Unet": Network(smp("Unet", "resnet18"), ("encoder.layer3", "encoder.layer4"), read_tensor),
    "smp FPN": Network(smp("FPN", "resnet18"), ("encoder.layer4",), read_tensor),
    "smp PSPNet": Network(smp("PSPNet", "resnet18"), ("encoder.layer2",), read_tensor, unused=True, grids=True),
    "smp DeepLabV3Plus": Network(smp("DeepLabV3Plus", "resnet18"), ("encoder.layer4",), read_tensor),
    "smp Segformer": Network(smp("Segformer", "resnet18"), ("encoder.layer4",), read_tensor),
    "timm convnext_tiny": Network(timm_features("convnext_tiny"), ("stages_3",), list),
    "timm hrnet_w18": Network(timm_features("hrnet_w18"), ("incre_modules.3",), list),
    "transformers Segformer": Network(segformer, ("segformer.stages.3",), read_logits),
    "transformers UperNet": Network(upernet, ("backbone.encoder.stages.3",), read_logits, unused=True, grids=True),
}
