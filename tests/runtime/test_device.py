"""Device, precision, determinism and compilation."""

import os

import pytest
import torch

from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_runs
from fbnet.config.runs import RunConfig
from fbnet.config.training import TrainingConfig
from fbnet.data.normalisation import normalise
from fbnet.errors import InputError
from fbnet.models.build import build
from fbnet.runtime import instructions
from fbnet.runtime.determinism import deterministic_algorithms
from fbnet.runtime.device import COMPILED_LENGTH, choose_device, should_compile
from fbnet.runtime.precision import autocast, choose_precision, machine_precision

CPU, GPU = torch.device("cpu"), torch.device("cuda")
X86 = "processor\t: 0\nmodel name\t: some processor\nflags\t\t: fpu sse2 avx512f {}\nbogomips\t: 1\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd {}\n"


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (X86.format("avx512_bf16"), "bfloat16"),
        (X86.format("amx_bf16 amx_tile"), "bfloat16"),
        (X86.format("avx512vl"), "float32"),
        (ARM.format("bf16"), "bfloat16"),
        (ARM.format("sve"), "float32"),
        ("", "float32"),
    ],
)
def test_auto_follows_the_cpus_instructions(monkeypatch, tmp_path, info, expected):
    monkeypatch.delenv(instructions.LIMIT, raising=False)
    (tmp_path / "cpuinfo").write_text(info)
    monkeypatch.setattr(instructions, "CPU_INFO", tmp_path / "cpuinfo")
    assert choose_precision("auto", CPU) == expected
    assert choose_precision("float32", CPU) == "float32"
    assert choose_precision("bfloat16", CPU) == "bfloat16"


def test_a_system_without_cpuinfo_computes_in_float32(monkeypatch, tmp_path):
    monkeypatch.setattr(instructions, "CPU_INFO", tmp_path / "missing")
    assert choose_precision("auto", CPU) == "float32"


def test_a_machine_without_the_driver_of_a_gpu_is_its_cpu(monkeypatch, tmp_path):
    monkeypatch.delenv(instructions.LIMIT, raising=False)
    (tmp_path / "cpuinfo").write_text(X86.format("avx512_bf16"))
    monkeypatch.setattr(instructions, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("fbnet.runtime.precision.GPU_DRIVERS", (tmp_path / "missing",))
    assert machine_precision() == "bfloat16"


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_is_asked_by_another_process(monkeypatch, tmp_path):
    """A driver without a GPU; the process sees this machine's own CPU."""
    monkeypatch.undo()
    monkeypatch.setattr("fbnet.runtime.precision.GPU_DRIVERS", (tmp_path,))
    assert machine_precision() == choose_precision("auto", CPU)


@pytest.mark.parametrize(
    ("flags", "limit", "expected"),
    [
        ("avx2 avx512f avx512_bf16 amx_tile amx_bf16", "", ("AVX2", "AVX-512", "bfloat16", "AMX")),
        ("avx2 avx512f avx512_bf16", "DEFAULT", ("AVX2", "AVX-512", "bfloat16")),
        ("avx2 avx512f avx512_bf16", "avx512_core_bf16", ("AVX2", "AVX-512", "bfloat16")),
        ("avx2 avx512f avx512_bf16", "AVX512_CORE", ("AVX2", "AVX-512")),
        ("avx2 avx512f avx512_bf16", "AVX2", ("AVX2",)),
        ("avx2", "", ("AVX2",)),
        ("sse4_2", "", ()),
    ],
)
def test_instruction_sets_by_name_as_far_as_they_are_used(monkeypatch, tmp_path, flags, limit, expected):
    (tmp_path / "cpuinfo").write_text(f"flags\t: fpu {flags}\n")
    monkeypatch.setattr(instructions, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setenv(instructions.LIMIT, limit)
    assert instructions.cpu_instructions() == expected


def test_precision_shows_inside_and_logits_are_float32():
    run: RunConfig = load_runs().runs["fcn_r50_fbnet"]
    torch.manual_seed(0)
    network = build(run, CITYSCAPES, width=0.125).eval()
    images = torch.randn(1, 3, 64, 96)
    inside, logits = {}, {}
    for precision in ("float32", "bfloat16"):
        hook = network.backbone.res5.register_forward_hook(
            lambda _layer, _inputs, output, precision=precision: inside.update({precision: output.dtype})
        )
        with autocast(precision, CPU), torch.inference_mode():
            logits[precision] = network(images)["out"]
        hook.remove()
    assert inside == {"float32": torch.float32, "bfloat16": torch.bfloat16}
    assert logits["float32"].dtype == logits["bfloat16"].dtype == torch.float32
    difference = (logits["float32"] - logits["bfloat16"]).abs().max()
    assert 0 < difference < 0.1 * logits["float32"].abs().max()
    with torch.inference_mode():
        assert torch.equal(network(images)["out"], logits["float32"])


def test_images_are_normalised_with_their_channels_together():
    images = torch.tensor([[[[0, 128, 255]]]], dtype=torch.uint8).expand(2, 4, 5, 3)
    values = normalise(images, CPU)
    assert values.shape == (2, 3, 4, 5)
    assert values.is_contiguous(memory_format=torch.channels_last)
    expected = [(0 - 123.675) / 58.395, (128 - 116.28) / 57.12, (255 - 103.53) / 57.375]
    assert values[1, :, 2, 3].tolist() == pytest.approx(expected, rel=1e-6)


def test_only_long_trainings_on_a_gpu_are_compiled_unless_asked_for():
    settings = {"crop": (16, 16), "batch_size": 2, "epochs": 1, "learning_rate": 0.1}
    auto, always, never = (TrainingConfig(**settings, compile=word) for word in ("auto", "always", "never"))
    assert should_compile(auto, "cuda", COMPILED_LENGTH)
    assert not should_compile(auto, "cuda", COMPILED_LENGTH - 1)
    assert not should_compile(auto, "cpu", COMPILED_LENGTH)
    assert should_compile(always, "cpu", 1)
    assert not should_compile(never, "cuda", COMPILED_LENGTH)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="--device cuda: torch finds no CUDA GPU"):
        choose_device("cuda")


class TestDeterministicAlgorithms:
    def test_refuses_nondeterministic_kernels(self):
        def put() -> torch.Tensor:
            return torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))

        with deterministic_algorithms(True), pytest.raises(RuntimeError, match="deterministic"):
            put()
        with deterministic_algorithms(False):
            put()

    @pytest.mark.parametrize("wanted", [True, False])
    def test_restores_earlier_settings(self, wanted):
        with deterministic_algorithms(wanted):
            assert torch.are_deterministic_algorithms_enabled() is wanted
            assert torch.backends.cudnn.benchmark is not wanted
        assert not torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark

    @pytest.mark.parametrize("wanted", [True, False])
    def test_does_not_fill_new_memory(self, wanted):
        """Filling hides reads of memory that nothing wrote, at the cost of a pass over every new tensor."""
        assert torch.utils.deterministic.fill_uninitialized_memory
        with deterministic_algorithms(wanted):
            assert not torch.utils.deterministic.fill_uninitialized_memory
        assert torch.utils.deterministic.fill_uninitialized_memory

    def test_leaves_out_sums_within_the_switch_between_gpus(self, monkeypatch):
        monkeypatch.delenv("NCCL_ALGO", raising=False)
        with deterministic_algorithms(False):
            assert "NCCL_ALGO" not in os.environ
        with deterministic_algorithms(True):
            assert os.environ["NCCL_ALGO"] == "^NVLS"
        monkeypatch.setenv("NCCL_ALGO", "Ring")
        with deterministic_algorithms(True):
            assert os.environ["NCCL_ALGO"] == "Ring"
