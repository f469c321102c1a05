"""Training steps and predictions of networks, as in `fbnet train` and `fbnet evaluate`, and torchvision's."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.config.runs import RunConfig
from fbnet.config.training import TrainingConfig
from fbnet.data.normalisation import normalise
from fbnet.models.build import build
from fbnet.runtime.precision import autocast
from fbnet.training.objective import compute_loss

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# The paper's batch and crop on a GPU; on a CPU, what takes seconds.
BATCH, CROP = (8, (832, 832)) if DEVICE.type == "cuda" else (4, (128, 256))


@dataclass
class Step:
    """Training step of a run on random images."""

    run_id: str
    precision: str = "auto"
    compiled: bool = False
    width: float = 1.0
    images: Tensor = field(init=False)
    labels: Tensor = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        self.run: RunConfig = load_runs().runs[self.run_id]
        self.training = TrainingConfig(crop=CROP, batch_size=BATCH, epochs=1, learning_rate=1e-3, deterministic=False)
        self.network = build(self.run, CITYSCAPES, width=self.width).to(DEVICE, memory_format=torch.channels_last)
        self.optimiser = torch.optim.SGD(self.network.parameters(), 1e-3, momentum=0.9, weight_decay=1e-4)
        self.images, self.labels = noise()
        if self.compiled:
            self.network.compile()

    def __call__(self) -> None:
        self.network.train()
        with autocast(self.precision, DEVICE):
            outputs = self.network(normalise(self.images, DEVICE))
        loss = sum(compute_loss(outputs, self.labels.to(DEVICE), self.run, CITYSCAPES, self.training))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()

    @torch.inference_mode()
    def predict(self) -> None:
        self.network.eval()
        with autocast(self.precision, DEVICE):
            self.network(normalise(self.images, DEVICE))


class TorchvisionStep:
    """Step of one of torchvision's FCNs as its reference trains it: float32, channels first, auxiliary head."""

    def __init__(self, name: str = "fcn_resnet50") -> None:
        from torchvision.models import get_model

        torch.manual_seed(0)
        classes = len(CITYSCAPES.classes)
        options = {"weights": None, "weights_backbone": None, "num_classes": classes, "aux_loss": True}
        self.network = get_model(name, **options).to(DEVICE)
        self.optimiser = torch.optim.SGD(self.network.parameters(), 1e-3, momentum=0.9, weight_decay=1e-4)
        images, labels = noise()
        self.images = normalise(images, torch.device("cpu")).contiguous()
        self.labels = labels.long()

    def __call__(self) -> None:
        self.network.train()
        outputs = self.network(self.images.to(DEVICE))
        labels = self.labels.to(DEVICE)
        loss = nn.functional.cross_entropy(outputs["out"], labels, ignore_index=255)
        loss = loss + 0.5 * nn.functional.cross_entropy(outputs["aux"], labels, ignore_index=255)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()


def noise() -> tuple[Tensor, Tensor]:
    """Random images (N, h, w, 3) and labels (N, h, w) of 16 x 16 patches, both uint8."""
    torch.manual_seed(1)
    images = torch.randint(256, (BATCH, *CROP, 3), dtype=torch.uint8)
    classes = torch.randint(len(CITYSCAPES.classes), (BATCH, CROP[0] // 16, CROP[1] // 16), dtype=torch.uint8)
    return images, classes.repeat_interleave(16, dim=1).repeat_interleave(16, dim=2)
