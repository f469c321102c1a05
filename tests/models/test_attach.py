"""FBNet on a toy network and the pipeline's own: results, states, copies and trainings."""

import copy
import pickle
from functools import partial

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

import fbnet
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.config.training import TrainingConfig
from fbnet.models.block_loss import block_bce, block_labels
from fbnet.models.build import build
from fbnet.training.objective import compute_loss
from tests.models.attached import EXAMPLE, FOREGROUND, Toy, attached, batch, gradients, toy


class TestResult:
    def test_shapes(self):
        network, (images, _) = attached(), batch((64, 32))
        result = network(images)
        assert result.output.shape == (2, 5, 64, 32)
        assert {name: logits.shape for name, logits in result.balance.items()} == {
            "low": (2, 2, 16, 8),
            "high": (2, 2, 8, 4),
        }
        assert network.strides == {"low": 4, "high": 8}

    def test_features_are_those_of_the_module(self):
        network, (images, _) = attached(after=["high"]).eval(), batch()
        balance, plain = network.balance["high"], toy().eval()
        features, logits = balance(plain.high(plain.low(images)))
        expected = nn.functional.interpolate(plain.head(features), size=images.shape[-2:])
        result = network(images)
        assert torch.equal(result.output, expected)
        assert torch.equal(result.balance["high"], logits)

    def test_the_loss_alone_leaves_the_output(self):
        images, _ = batch()
        assert torch.equal(attached(modulator=None).eval()(images).output, toy().eval()(images))

    def test_identity_leaves_the_output_at_first_and_learns(self):
        network, (images, labels) = attached(init="identity").eval(), batch()
        assert torch.equal(network(images).output, toy().eval()(images))
        found = dict(
            zip([name for name, _ in network.named_parameters()], gradients(network, images, labels), strict=True)
        )
        assert [name for name, value in found.items() if not value.any()] == []

    def test_every_parameter_learns(self):
        assert all(gradient.any() for gradient in gradients(attached(), *batch()))

    def test_attaching_leaves_modes_and_statistics(self):
        network = toy()
        network.low.eval()
        before = copy.deepcopy(network.state_dict())
        attached(network, example=torch.randn(2, 3, 32, 64))
        assert network.training
        assert not network.low[1].training
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


class TestBalanceLoss:
    def test_is_the_sum_over_the_modules(self):
        network, (images, labels) = attached(), batch()
        result = network(images)
        expected = sum(
            block_bce(result.balance[name], *block_labels(labels, FOREGROUND, stride))
            for name, stride in (("low", 4), ("high", 8))
        )
        assert network.balance_loss(result, labels) == expected

    @pytest.mark.parametrize("ignored", [-100, 7])
    def test_another_ignored_label(self, ignored):
        network, (images, labels) = attached(), batch()
        result = network(images)
        other = torch.where(labels == 255, ignored, labels)
        network.ignore_index = ignored
        assert network.balance_loss(result, other) == attached().balance_loss(result, labels)

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            (torch.zeros(2, 1, 32, 64, dtype=torch.long), "class ids"),
            (torch.zeros(2, 32, 64), "class ids"),
            (torch.zeros(2, 32, 72, dtype=torch.long), "low: logits"),
        ],
    )
    def test_labels_that_do_not_fit(self, labels, message):
        network = attached()
        with pytest.raises(ValueError, match=message):
            network.balance_loss(network(batch()[0]), labels)


class TestState:
    def test_the_network_keeps_its_own(self):
        assert list(attached().network.state_dict()) == list(toy().state_dict())

    def test_a_checkpoint_of_the_plain_network_loads(self):
        network, other = attached(), Toy()
        modules = copy.deepcopy(network.balance.state_dict())
        nn.ModuleList([network]).load_state_dict({f"0.{name}": value for name, value in other.state_dict().items()})
        network.load_state_dict(other.state_dict())
        assert all(torch.equal(value, other.state_dict()[name]) for name, value in network.network.state_dict().items())
        assert all(torch.equal(value, modules[name]) for name, value in network.balance.state_dict().items())

    def test_its_own_state_loads(self):
        network, (images, _) = attached().eval(), batch()
        other = attached(Toy()).eval()
        other.load_state_dict(network.state_dict())
        assert torch.equal(other(images).balance["high"], network(images).balance["high"])

    def test_a_damaged_state_is_refused(self):
        state = toy().state_dict()
        del state["head.bias"]
        with pytest.raises(RuntimeError, match=r"network\.head\.bias"):
            attached().load_state_dict(state)

    def test_detached_it_is_the_plain_network(self):
        images, _ = batch()
        network = toy().eval()
        expected = network(images)
        assert attached(network).detach() is network
        assert torch.equal(network(images), expected)
        attached(network)  # and can be attached to again


class TestDeployable:
    @pytest.mark.parametrize("modulator", ["dfm", "conv"])
    def test_has_the_same_output_and_no_classifiers(self, modulator):
        network, (images, _) = attached(modulator=modulator), batch()
        deployed = network.deployable()
        assert torch.equal(deployed(images), network.eval()(images).output)
        assert not [name for name in deployed.state_dict() if "classifier" in name]
        assert [name for name in network.state_dict() if "classifier" in name]

    def test_without_modulator_it_is_the_plain_network(self):
        assert type(attached(modulator=None).deployable()) is Toy

    def test_is_a_copy(self):
        network, (images, _) = attached(), batch()
        deployed = network.deployable()
        before = deployed(images)
        nn.init.zeros_(network.network.head.weight)
        assert torch.equal(deployed(images), before)


class TestCopies:
    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
    def test_have_modules_and_hooks_of_their_own(self, copied):
        network, (images, _) = attached(init="identity").eval(), batch()
        network.network.unwrap = network.network.high.wrap = torch.nn.Identity()
        other = copied(network)
        first = network(images)
        for module in other.balance.values():
            nn.init.ones_(module.scale)
            nn.init.zeros_(module.classifier.weight)
        assert torch.equal(network(images).output, first.output)
        assert not torch.equal(other(images).output, first.output)
        assert other(images).balance["low"].std(dim=(0, 2, 3)).eq(0).all()
        other.detach()
        assert torch.equal(network(images).balance["low"], first.balance["low"])

    def test_moving_averages(self):
        network, (images, labels) = attached(), batch()
        average = torch.optim.swa_utils.AveragedModel(network)
        before = average.module.balance["low"].classifier.weight.clone()
        optimiser = torch.optim.SGD(network.parameters(), 1.0)
        gradients(network, images, labels)
        optimiser.step()
        average.update_parameters(network)
        average.update_parameters(network)
        assert not torch.equal(average.module.balance["low"].classifier.weight, before)
        assert average(images).output.shape == (2, 5, 32, 64)


class TestTraining:
    def test_autocast(self):
        network, (images, labels) = attached(), batch()
        with torch.autocast("cpu", torch.bfloat16):
            result = network(images)
            loss = network.balance_loss(result, labels)
        assert result.balance["low"].dtype == torch.bfloat16
        assert loss.dtype == torch.float32
        loss.backward()

    def test_channels_last(self):
        network, (images, labels) = attached(), batch()
        expected = gradients(network, images, labels)
        network = attached().to(memory_format=torch.channels_last)
        found = gradients(network, images.contiguous(memory_format=torch.channels_last), labels)
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True))
        assert network.network.high(network.network.low(images)).is_contiguous(memory_format=torch.channels_last)

    def test_gradient_checkpoints(self):
        images, labels = batch()
        expected = gradients(attached(), images, labels)
        network = attached()
        network.network.high.forward = partial(checkpoint, network.network.high.forward, use_reentrant=False)
        network.network.forward = partial(checkpoint, network.network.forward, use_reentrant=False)
        found = gradients(network, images, labels)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))

    def test_reentrant_checkpoints_would_lose_gradients(self):
        network = attached()
        network.network.forward = partial(checkpoint, network.network.forward, use_reentrant=True)
        with pytest.raises(RuntimeError, match="use_reentrant=False"):
            network(batch()[0].requires_grad_())

    def test_a_module_that_is_left_out_later(self):
        network = attached()
        network.network.high.forward = lambda values: values
        network.network.low = nn.Sequential(nn.Conv2d(3, 8, 8, 8))
        with pytest.raises(RuntimeError, match="low: was not called"):
            network(batch()[0])

    def test_compiled_in_one_graph(self):
        network, (images, labels) = attached(), batch()
        expected = gradients(network, images, labels)
        network.forward = torch.compile(network.forward, fullgraph=True, backend="aot_eager")
        found = gradients(network, images, labels)
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, expected, strict=True))

    def test_exported_with_dynamic_size(self):
        network = attached().eval()
        sides = {2: 8 * torch.export.Dim("rows", min=2, max=64), 3: 8 * torch.export.Dim("columns", min=2, max=64)}
        program = torch.export.export(network, (EXAMPLE,), dynamic_shapes=((sides,),)).module()
        for size in ((32, 64), (48, 40)):
            images, _ = batch(size)
            assert torch.equal(program(images).output, network(images).output)
            assert torch.equal(program(images).balance["high"], network(images).balance["high"])

    @pytest.mark.slow  # starts two processes
    def test_two_processes(self, tmp_path):
        """DDP's gradients are the mean of those of each half of the batch."""
        multiprocessing.spawn(_rank, (str(tmp_path),), nprocs=2)
        images, labels = batch()
        halves = [gradients(attached(), images[[rank]], labels[[rank]]) for rank in (0, 1)]
        found = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
        for first, second, of_first, of_second in zip(*halves, *found, strict=True):
            assert torch.equal(of_first, of_second)
            assert torch.allclose(of_first, (first + second) / 2, atol=1e-6)


def _rank(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    images, labels = (values[[rank]] for values in batch())
    network = DistributedDataParallel(attached())
    result = network(images)
    loss = nn.functional.cross_entropy(result.output, labels, ignore_index=255)
    (loss + network.module.balance_loss(result, labels)).backward()
    torch.save([parameter.grad for parameter in network.parameters()], f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.parametrize("stages", [("res5",), ("res4", "res5")])
def test_on_the_pipelines_plain_network_it_is_the_pipelines_fbnet(stages):
    """Outputs, losses and gradients, bit for bit, given the same weights."""
    run = load_runs().runs["fcn_r50_fbnet"]
    run = run.model_copy(update={"head": "fcn_plain", "balance": run.balance.model_copy(update={"stages": stages})})
    plain = run.model_copy(update={"balance": run.balance.model_copy(update={"stages": ()})})
    torch.manual_seed(0)
    ours = build(run, CITYSCAPES, width=0.0625)
    after = [f"backbone.{stage}" for stage in stages]
    theirs = fbnet.attach(
        build(plain, CITYSCAPES, width=0.0625),
        after=after,
        foreground=CITYSCAPES.foreground_ids,
        example=torch.zeros(2, 3, 64, 96),
    )
    theirs.load_state_dict(
        {
            (f"balance.backbone_{name[8:]}" if name.startswith("balance.") else f"network.{name}"): value
            for name, value in ours.state_dict().items()
        }
    )
    images, labels = torch.randn(2, 3, 64, 96), torch.randint(0, 19, (2, 64, 96))
    labels[0, :20] = 255
    training = TrainingConfig(crop=(64, 96), batch_size=2, epochs=1, learning_rate=0.1)
    outputs, result = ours(images), theirs(images)
    assert torch.equal(result.output["out"], outputs["out"])
    assert [torch.equal(*pair) for pair in zip(result.balance.values(), outputs["balance"], strict=True)] == [
        True
    ] * len(after)
    segmentation, balance = compute_loss(outputs, labels, run, CITYSCAPES, training)
    loss = theirs.balance_loss(result, labels)
    assert loss == balance
    (segmentation + balance).backward()
    (compute_loss(result.output, labels, plain, CITYSCAPES, training)[0] + loss).backward()
    theirs_by_name = {
        name.removeprefix("network.").replace("balance.backbone_", "balance."): parameter.grad
        for name, parameter in theirs.named_parameters()
    }
    different = [name for name, value in ours.named_parameters() if not torch.equal(value.grad, theirs_by_name[name])]
    assert different == []
