"""Which modules FBNet can follow: outputs of every form, and what is refused."""

from collections import OrderedDict, namedtuple

import pytest
import torch
from torch import nn

from tests.models.attached import attached, batch, toy

Pair = namedtuple("Pair", ("name", "features"))


class TestOutputsOfModules:
    @pytest.mark.parametrize(
        ("wrap", "unwrap"),
        [
            (lambda values: (values, None), lambda output: output[0]),
            (lambda values: [torch.zeros(2), values], lambda output: output[1]),
            (lambda values: Pair("x", values), lambda output: output.features),
            (lambda values: {"a": values, 2: "b"}, lambda output: output["a"]),
            (lambda values: OrderedDict(a=[values]), lambda output: output["a"][0]),
        ],
    )
    def test_one_map_in_a_container(self, wrap, unwrap):
        images, _ = batch()
        found, expected = attached(toy(wrap, unwrap)).eval()(images), attached().eval()(images)
        assert torch.equal(found.output, expected.output)
        assert torch.equal(found.balance["high"], expected.balance["high"])

    def test_channels_at_the_end_by_an_adapter(self):
        def adapt(output, _size):
            if output.shape[1] == 6:  # of `low`
                return output, lambda features: features
            return output.permute(0, 3, 1, 2), lambda features: features.permute(0, 2, 3, 1)

        network = toy(lambda values: values.permute(0, 2, 3, 1), lambda values: values.permute(0, 3, 1, 2))
        images, _ = batch()
        assert torch.equal(attached(network, adapt=adapt).eval()(images).output, attached().eval()(images).output)

    @pytest.mark.parametrize("size", [(32, 64), (48, 16)])
    def test_tokens_by_an_adapter(self, size):
        def adapt(tokens, size):
            grid = tokens.mT.unflatten(2, (size[0] // 8, size[1] // 8))
            return grid, lambda features: features.flatten(2).mT

        images, _ = batch(size)
        network = toy(lambda values: values.flatten(2).mT, lambda values: values.mT.unflatten(2, (size[0] // 8, -1)))
        example = torch.zeros(2, 3, *size)
        found = attached(network, after=["high"], adapt=adapt, example=example).eval()
        expected = attached(after=["high"]).eval()
        assert torch.equal(found(images).output, expected(images).output)
        assert torch.equal(found.deployable()(images), expected(images).output)

    def test_hooks_of_others_see_the_balanced_map(self):
        network, seen = toy(), []
        network.high.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        balanced, (images, _) = attached(network).eval(), batch()
        seen.clear()
        result = balanced(images)
        expected = nn.functional.interpolate(network.head(seen[0]), size=images.shape[-2:])
        assert torch.equal(result.output, expected)


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"after": ["hihg"]}, "'hihg'; nearest names are high"),
            ({"after": ["low", "low"]}, "different module names"),
            ({"after": "low"}, "different module names"),
            ({"after": []}, "different module names"),
            ({"foreground": [3, 5]}, r"\[5\] are not among the classes 0 to 4"),
            ({"foreground": [-1]}, r"\[-1\]"),
            ({"foreground": [1, 3], "ignore_index": 3}, r"\[3\]"),
            ({"foreground": [1, 1]}, "different class ids"),
            ({"foreground": []}, "different class ids"),
            ({"modulator": "se"}, "choose 'dfm'"),
            ({"init": "zero"}, "choose 'paper'"),
            ({"example": torch.zeros(3, 32, 64)}, "images"),
            ({"example": torch.zeros(1, 3, 36, 68)}, "no integer stride"),
            ({"example": torch.zeros(1, 3, 8, 8)}, "1, 1.*larger example"),
            ({"example": torch.zeros(1, 3, 64, 64)}, r"'high'.*another height or width"),  # (1, 8, 8, 8)
        ],
    )
    def test_arguments(self, changes, message):
        network = toy()
        with pytest.raises(ValueError, match=message) as refused:
            attached(network, **changes)
        assert "\n" not in str(refused.value)
        assert not network.high._forward_hooks

    @pytest.mark.parametrize(
        ("wrap", "unwrap", "message"),
        [
            (lambda x: x.permute(0, 2, 3, 1), lambda x: x.permute(0, 3, 1, 2), r"map \(N, h, w, C\); give `adapt`"),
            (lambda x: x.flatten(2).mT, lambda x: x.mT.unflatten(2, (4, 8)), r"token sequence \(2, 32, 8\).*`adapt`"),
            (lambda x: (x, 2 * x), lambda x: x[0], "2 feature maps; choose one of its submodules"),
            (lambda x: x.mean(dim=(2, 3)), lambda x: x[:, :, None, None], "no spatial map"),
            (lambda x: x.mean(dim=(2, 3), keepdim=True), lambda x: x, "no spatial map"),
            (lambda x: x[:, :, :3], lambda x: x, "no integer stride"),
        ],
    )
    def test_modules(self, wrap, unwrap, message):
        with pytest.raises(ValueError, match=f"'high'.*{message}"):
            attached(toy(wrap, unwrap))

    def test_adapters(self):
        with pytest.raises(ValueError, match="must give a map"):
            attached(adapt=lambda output, _size: (output[0], lambda features: features))

    def test_a_module_that_is_not_called_once(self):
        network = toy()
        network.unused = nn.Conv2d(8, 8, 1)
        with pytest.raises(ValueError, match="'unused' is not called"):
            attached(network, after=["unused"])
        shared = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
        shared[1] = shared[0]
        with pytest.raises(ValueError, match="'0' is called 2 times"):
            attached(shared, after=["0"])

    def test_names_that_differ_in_dots(self):
        network = nn.Sequential(
            OrderedDict(a=nn.Sequential(OrderedDict(b=nn.Conv2d(3, 7, 4, 4))), a_b=nn.Conv2d(7, 5, 1))
        )
        with pytest.raises(ValueError, match="dots and underscores"):
            attached(network, after=["a.b", "a_b"])

    def test_twice(self):
        with pytest.raises(ValueError, match="attached already"):
            attached(attached())

    def test_binary_segmentation_has_two_classes(self):
        network = toy()
        network.head = nn.Conv2d(8, 1, 1)
        attached(network, foreground=[1])
        with pytest.raises(ValueError, match=r"\[2\]"):
            attached(network, foreground=[2])
