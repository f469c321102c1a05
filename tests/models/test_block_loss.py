"""Block labels by hand and by brute force; the block-wise loss by numbers computed by hand."""

import math

import pytest
import torch

from fbnet.models.block_loss import MAX_CLASSES, block_bce, block_labels


def brute_force(labels, classes, stride, ignore_index):
    images, height, width = labels.shape
    rows, columns = math.ceil(height / stride), math.ceil(width / stride)
    targets = torch.zeros(images, len(classes), rows, columns, dtype=torch.bool)
    mask = torch.zeros(images, rows, columns, dtype=torch.bool)
    for image in range(images):
        for y in range(height):
            for x in range(width):
                label = int(labels[image, y, x])
                if label == ignore_index:
                    continue
                mask[image, y // stride, x // stride] = True
                if label in classes:
                    targets[image, classes.index(label), y // stride, x // stride] = True
    return targets, mask


class TestBlockLabels:
    def test_by_hand(self):
        labels = torch.tensor(
            [
                [
                    [0, 0, 1, 1, 255],
                    [0, 5, 1, 1, 255],
                    [5, 0, 255, 255, 1],
                ]
            ]
        )
        targets, mask = block_labels(labels, [5, 1], 2)
        assert targets.shape == (1, 2, 2, 3)
        # class 5 stands in the first block of either row, class 1 in the second of the first and the last of the second
        assert targets[0, 0].tolist() == [[True, False, False], [True, False, False]]
        assert targets[0, 1].tolist() == [[False, True, False], [False, False, True]]
        assert mask[0].tolist() == [[True, True, False], [True, False, True]]

    def test_a_thin_pole_weighs_as_much_as_a_wall(self):
        labels = torch.zeros(1, 16, 8, dtype=torch.uint8)
        labels[0, :8, 3] = 1  # one column of the first block
        labels[0, 8:] = 2  # all of the second
        targets, _ = block_labels(labels, [1, 2], 8)
        assert targets[0, :, :, 0].tolist() == [[True, False], [False, True]]

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
    @pytest.mark.parametrize("stride", [1, 3, 4, 8, 16])
    def test_equals_brute_force(self, stride, dtype):
        generator = torch.Generator().manual_seed(stride)
        for height, width in ((1, 1), (7, 5), (16, 24), (17, 9)):
            labels = torch.randint(0, 8, (2, height, width), generator=generator)
            labels[torch.rand(labels.shape, generator=generator) < 0.4] = 255
            labels[0, :stride, :stride] = 255
            classes = [6, 2, 7]
            for ignore_index in (255, None):
                targets, mask = block_labels(labels.to(dtype), classes, stride, ignore_index)
                expected, counted = brute_force(labels, classes, stride, ignore_index)
                assert torch.equal(targets, expected)
                assert torch.equal(mask, counted)

    def test_another_ignored_label(self):
        targets, mask = block_labels(torch.tensor([[[11, 3], [255, 3]]]), [3], 1, ignore_index=11)
        assert mask.tolist() == [[[False, True], [True, True]]]
        assert targets.tolist() == [[[[False, True], [False, True]]]]

    def test_most_classes(self):
        classes = list(range(MAX_CLASSES))
        targets, mask = block_labels(torch.full((1, 2, 2), MAX_CLASSES - 1), classes, 2)
        assert targets[0, :, 0, 0].tolist() == [False] * (MAX_CLASSES - 1) + [True]
        assert mask.all()

    def test_too_many_classes(self):
        with pytest.raises(ValueError, match="at most 62"):
            block_labels(torch.zeros(1, 2, 2), list(range(MAX_CLASSES + 1)), 2)

    def test_an_ignored_class(self):
        with pytest.raises(ValueError, match="255 is ignored"):
            block_labels(torch.zeros(1, 2, 2), [1, 255], 2)


class TestBlockBCE:
    def test_by_hand(self):
        logits = torch.tensor([[[[0.0, 2.0]], [[-1.0, 5.0]]]])  # (1, 2, 1, 2)
        targets = torch.tensor([[[[True, False]], [[False, True]]]])
        mask = torch.tensor([[[True, False]]])
        # only the first block counts: -log(1/2) for class 0, -log(1 - sigmoid(-1)) for class 1
        expected = (math.log(2) + math.log(1 + math.exp(-1))) / 2
        assert block_bce(logits, targets, mask).item() == pytest.approx(expected)

    def test_all_blocks(self):
        logits = torch.tensor([[[[0.0, 2.0]]]])
        loss = block_bce(logits, torch.tensor([[[[True, False]]]]), torch.ones(1, 1, 2, dtype=torch.bool))
        assert loss.item() == pytest.approx((math.log(2) + math.log(1 + math.exp(2))) / 2)

    def test_nothing_counts(self):
        logits = torch.randn(1, 2, 3, 3, requires_grad=True)
        loss = block_bce(logits, torch.zeros(1, 2, 3, 3, dtype=torch.bool), torch.zeros(1, 3, 3, dtype=torch.bool))
        loss.backward()
        assert loss.item() == 0
        assert torch.equal(logits.grad, torch.zeros_like(logits))

    def test_float32_whatever_the_logits(self):
        logits = torch.full((1, 1, 1, 1), 3.0, dtype=torch.bfloat16)
        loss = block_bce(logits, torch.zeros(1, 1, 1, 1, dtype=torch.bool), torch.ones(1, 1, 1, dtype=torch.bool))
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(math.log(1 + math.exp(3)), rel=1e-6)
