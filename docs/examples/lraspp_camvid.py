"""Train torchvision's LR-ASPP with and without FBNet on CamVid, and print the IoU of each class.

    CAMVID_ROOT=/data/camvid python docs/examples/lraspp_camvid.py

Random weights, images of 128 x 96 pixels and about two minutes of training: the script shows how FBNet is used, not
what it is good for. CamVid is SegNet's split: `train/`, `trainannot/`, `test/` and `testannot/`. Needs torchvision and
Pillow.
"""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

import fbnet

CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
FOREGROUND = [2, 6, 7, 8, 9, 10]
VOID = 11
SIZE = (128, 96)  # width and height; FBNet's strides divide both
BATCH, EPOCHS, LEARNING_RATE = 8, 8, 3e-3


def main() -> None:
    root = Path(os.environ["CAMVID_ROOT"])
    train, test = (load(root, split) for split in ("train", "test"))
    scores = {name: evaluate(fit(name, *train), *test) for name in ("LR-ASPP", "LR-ASPP + FBNet")}
    print(f"\n{'IoU, %':12}", *(f"{name:>16}" for name in scores))
    for index, name in enumerate(CLASSES):
        print(f"{name:12}", *(f"{100 * iou[index]:16.1f}" for iou in scores.values()))
    print(f"{'mean':12}", *(f"{100 * iou.mean():16.1f}" for iou in scores.values()))


def load(root: Path, split: str) -> tuple[Tensor, Tensor]:
    """Return images (N, 3, H, W) float32 and labels (N, H, W) int64 of a split, reduced to SIZE."""
    images, labels = [], []
    for path in sorted((root / split).iterdir()):
        images.append(np.asarray(Image.open(path).convert("RGB").resize(SIZE, Image.Resampling.BILINEAR)))
        label = Image.open(root / f"{split}annot" / f"{path.stem}.png")
        labels.append(np.asarray(label.resize(SIZE, Image.Resampling.NEAREST)))
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return pixels / 127.5 - 1, torch.from_numpy(np.stack(labels)).long()


def fit(name: str, images: Tensor, labels: Tensor) -> nn.Module:
    """Train a network; both begin with the same weights and see the same batches."""
    torch.manual_seed(0)
    network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=len(CLASSES))
    balanced = "FBNet" in name
    if balanced:
        network = fbnet.attach(
            network, after=["backbone.16"], foreground=FOREGROUND, example=images[:2], ignore_index=VOID
        )
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1  # torchvision's 0.01 would keep the initial statistics in so short a training
    optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    criterion = nn.CrossEntropyLoss(ignore_index=VOID)
    shuffle = torch.Generator().manual_seed(0)
    network.train()
    for epoch in range(EPOCHS):
        total = 0.0
        batches = torch.randperm(len(images), generator=shuffle).split(BATCH)
        for batch in batches:
            result = network(images[batch])
            output = result.output if balanced else result
            loss = criterion(output["out"], labels[batch])
            if balanced:
                loss = loss + network.balance_loss(result, labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item()
        schedule.step()
        print(f"{name}: epoch {epoch + 1} of {EPOCHS}, loss {total / len(batches):.3f}", flush=True)
    return network.deployable() if balanced else network.eval()


@torch.inference_mode()
def evaluate(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Return the IoU of each class over all images; void pixels do not count."""
    confusion = torch.zeros(len(CLASSES), len(CLASSES))
    for image, label in zip(images.split(BATCH), labels.split(BATCH), strict=True):
        predicted, counted = network(image)["out"].argmax(dim=1), label != VOID
        pairs = label[counted] * len(CLASSES) + predicted[counted]
        confusion += torch.bincount(pairs, minlength=len(CLASSES) ** 2).view_as(confusion)
    hits = confusion.diag()
    return hits / (confusion.sum(dim=0) + confusion.sum(dim=1) - hits).clamp(min=1)


if __name__ == "__main__":
    main()
