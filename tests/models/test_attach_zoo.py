"""FBNet on networks of torchvision, segmentation_models_pytorch, timm and transformers, with random weights.

Compiled by `aot_eager`, which captures and differentiates the whole graph as the default does, without its minutes of
code generation.
"""

import copy
import io
import warnings

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.export import Dim
from torch.nn.parallel import DistributedDataParallel

import fbnet
from fbnet.models.attach import BalancedNetwork
from tests.models.zoo import NETWORKS, Network

pytestmark = pytest.mark.slow
FOREGROUND = (1, 3)
EXAMPLE = torch.zeros(2, 3, 64, 96)
SIZES = ((64, 96), (128, 160))


@pytest.fixture(params=NETWORKS)
def network(request) -> Network:
    return NETWORKS[request.param]


def plain(network: Network) -> nn.Module:
    torch.manual_seed(0)
    return network.build()


def attached(network: Network) -> BalancedNetwork:
    return fbnet.attach(plain(network), after=network.after, foreground=FOREGROUND, example=EXAMPLE)


def images(size=(64, 96)) -> torch.Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))


def difference(found, expected) -> float:
    """Largest difference, relative to the largest value, of two lists of tensors."""
    pairs = list(zip(found, expected, strict=True))
    assert all(a.shape == b.shape for a, b in pairs)
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in pairs)


def test_shapes_and_gradients(network):
    balanced = attached(network)
    before = [value.shape for value in network.read(plain(network).eval()(images((96, 128))))]
    result = balanced(images((96, 128)))
    assert [value.shape for value in network.read(result.output)] == before
    for name, logits in result.balance.items():
        stride = balanced.strides[name]
        assert logits.shape == (2, len(FOREGROUND), 96 // stride, 128 // stride)
    sum(value.square().mean() for value in network.read(result.output)).backward()
    gates = {name: value for name, value in balanced.balance.named_parameters() if "modulator" in name}
    assert [name for name, value in gates.items() if value.grad is None or not value.grad.any()] == []

    balanced.zero_grad()
    result = balanced(images((96, 128)))
    balanced.balance_loss(result, torch.randint(0, 5, (2, 96, 128))).backward()
    assert [name for name, value in balanced.balance.named_parameters() if not value.grad.any()] == []
    first = next(balanced.network.parameters())
    assert first.grad.any()


def test_compiled_in_one_graph(network):
    torch.compiler.reset()
    balanced = attached(network).eval()
    compiled = torch.compile(balanced, fullgraph=True, backend="aot_eager")
    expected, found = balanced(images()), compiled(images())
    assert difference(network.read(found.output), network.read(expected.output)) < 1e-4
    assert difference(found.balance.values(), expected.balance.values()) < 1e-4


def test_exported_with_dynamic_size(network):
    deployed = attached(network).deployable()
    sides = {2: 32 * Dim("rows", min=2, max=64), 3: 32 * Dim("columns", min=2, max=64)}
    program = torch.export.export(deployed, (EXAMPLE,), dynamic_shapes=((sides,),)).module()
    for size in SIZES:
        assert difference(network.read(program(images(size))), network.read(deployed(images(size)))) < 1e-5


def test_onnx(network):
    """At two sizes; of networks with adaptive pooling, each size has a file, as torch's export freezes its grid."""
    pytest.importorskip("onnxscript", reason="onnxscript is not there")
    deployed = attached(network).deployable()
    sessions = {size: onnx_session(network, deployed, size) for size in (SIZES if network.grids else SIZES[:1])}
    for size in SIZES:
        session = sessions.get(size, sessions[SIZES[0]])
        found = session.run(None, {session.get_inputs()[0].name: images(size).numpy()})
        assert difference(map(torch.from_numpy, found), network.read(deployed(images(size)))) < 1e-4


class Tensors(nn.Module):
    """A network that returns the tensors of its output."""

    def __init__(self, network: Network, module: nn.Module) -> None:
        super().__init__()
        self.read, self.module = network.read, module

    def forward(self, values):
        return self.read(self.module(values))


def onnx_session(network: Network, module: nn.Module, size: tuple[int, int]):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not there")
    sides = None if network.grids else ({2: Dim.DYNAMIC, 3: Dim.DYNAMIC},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Tensors(network, module), (images(size),), dynamo=True, dynamic_shapes=sides, verbose=False
        )
    file = io.BytesIO()
    program.save(file)
    return onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])


def test_detached_it_is_the_plain_network(network):
    module = plain(network).eval()
    state = copy.deepcopy(module.state_dict())
    expected = network.read(module(images()))
    balanced = fbnet.attach(module, after=network.after, foreground=FOREGROUND, example=EXAMPLE)
    balanced(images())
    balanced.load_state_dict(state)
    found = network.read(balanced.detach()(images()))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert list(balanced.network.state_dict()) == list(state)


def test_a_step_in_two_processes(network, request, tmp_path):
    """Each process has two images of its own; both get the same gradients, everywhere in the modules, and weights."""
    gates = [name for name, _ in attached(network).named_parameters() if name.startswith("balance.")]
    multiprocessing.spawn(_rank, (request.node.callspec.params["network"], str(tmp_path)), nprocs=2)
    (weights, gradients), (others, other_gradients) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert all(torch.equal(value, others[name]) for name, value in weights.items())
    assert all(torch.equal(value, other_gradients[name]) for name, value in gradients.items())
    assert [name for name in gates if not gradients[name].any()] == []
    assert sum(value.any().item() for value in gradients.values()) > len(weights) / 2


def _rank(rank: int, name: str, folder: str) -> None:
    """Train one step, and save weights and gradients."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    network = NETWORKS[name]
    parallel = DistributedDataParallel(attached(network), find_unused_parameters=network.unused)
    optimiser = torch.optim.SGD(parallel.parameters(), 0.1)
    generator = torch.Generator().manual_seed(rank)
    result = parallel(torch.randn(2, 3, 64, 96, generator=generator))
    labels = torch.randint(0, 5, (2, 64, 96), generator=generator)
    loss = sum(value.square().mean() for value in network.read(result.output))
    (loss + parallel.module.balance_loss(result, labels)).backward()
    optimiser.step()
    weights = dict(parallel.module.named_parameters())
    gradients = {name: value.grad for name, value in weights.items() if value.grad is not None}
    torch.save((weights, gradients), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()
