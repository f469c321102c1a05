"""A toy network of two stages, with FBNet attached, and what tests give it."""

import torch
from torch import nn

import fbnet

EXAMPLE = torch.zeros(2, 3, 32, 64)
FOREGROUND = (3, 1)


class Toy(nn.Module):
    """Two stages of strides 4 and 8, and a head of five classes."""

    def __init__(self, wrap=None, unwrap=None):
        super().__init__()
        self.low = nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.BatchNorm2d(6), nn.ReLU())
        self.high = Stage(wrap)
        self.unwrap = unwrap or (lambda values: values)
        self.head = nn.Conv2d(8, 5, 1)

    def forward(self, images):
        logits = self.head(self.unwrap(self.high(self.low(images))))
        return nn.functional.interpolate(logits, size=images.shape[-2:])


class Stage(nn.Module):
    def __init__(self, wrap=None):
        super().__init__()
        self.layer = nn.Conv2d(6, 8, 2, 2)
        self.wrap = wrap or (lambda values: values)

    def forward(self, values):
        return self.wrap(self.layer(values))


def toy(*arguments):
    torch.manual_seed(0)
    return Toy(*arguments)


def attached(network=None, **changes):
    network = toy() if network is None else network
    torch.manual_seed(1)
    arguments = {"after": ["low", "high"], "foreground": FOREGROUND, "example": EXAMPLE, **changes}
    return fbnet.attach(network, **arguments)


def batch(size=(32, 64)):
    generator = torch.Generator().manual_seed(2)
    labels = torch.randint(0, 5, (2, *size), generator=generator)
    labels[:, :9, :9] = 255
    return torch.randn(2, 3, *size, generator=generator), labels


def gradients(network, images, labels):
    network.zero_grad()
    result = network(images)
    (
        nn.functional.cross_entropy(result.output, labels, ignore_index=255) + network.balance_loss(result, labels)
    ).backward()
    return [parameter.grad.clone() for parameter in network.parameters()]
