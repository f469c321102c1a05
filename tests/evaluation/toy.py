"""Base of networks that tests predict with."""

from types import SimpleNamespace

from torch import nn

from fbnet.data.normalisation import IMAGENET


class ToyNetwork(nn.Module):
    """Network with the facts about its backbone that prediction asks for."""

    backbone = SimpleNamespace(normalisation=IMAGENET, strides={"res5": 8})
