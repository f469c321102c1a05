"""Tests of a study's hours, memory, disk and price against numbers worked out by hand and real networks."""

import json
from math import prod

import pytest
import torch
import yaml
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fbnet import paths
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_hardware, load_study
from fbnet.errors import InputError
from fbnet.models.build import build
from fbnet.planning.cost import Amount, estimate, total
from fbnet.planning.disk import data_bytes, image_sizes
from fbnet.planning.estimates import Estimate
from fbnet.planning.footprint import describe, footprint, trace_forward
from fbnet.planning.plan import make_plan
from fbnet.planning.rates import load_rates
from fbnet.planning.text import cost_text, number
from tests.made_up_results import change_study
from tests.planning.folders import write_manifests, write_record
from tests.test_cli import fbnet, refused

RUNS = ["fcn_r50", "fcn_r50_fbnet", "pspnet_r50"]
PAIR = {"baseline": "fcn_r50", "fbnet": "fcn_r50_fbnet"}
TABLE_1 = {"runs": RUNS[:2], "tables": ["table_1"], "figures": [], "figure_runs": PAIR}
RATES = {
    "training step, operations per second, R101": 2e12,
    "training step, operations per second, R101, compiled": 5e12,
}

PLAIN = {"deterministic": True, "ohem": False, "photometric": False}


@pytest.fixture
def small(project):
    """Three runs of two tables, one of them in both, on 160 scenes of 128 x 256 with crops of 96 x 192."""
    content = yaml.safe_load(paths.RUNS_FILE.read_text())
    content["tables"]["table_1"]["rows"] = ["fcn_r50", "fcn_r50_fbnet"]
    content["tables"]["table_2"]["rows"] = ["pspnet_r50", "fcn_r50"]
    paths.RUNS_FILE.write_text(yaml.safe_dump(content, sort_keys=False))
    return change_study("trio", runs=RUNS, tables=["table_1", "table_2"], figures=["figure_1"], figure_runs=PAIR)


@pytest.fixture
def machine(project):
    """A machine that does 10^12 operations per second in bfloat16, half of that in float32."""
    entry = {"label": "a GPU", "bfloat16_tflops": 2, "float32_tflops": 1, "utilisation": 0.5, "memory_gib": 1}
    paths.HARDWARE_FILE.write_text(yaml.safe_dump({"test": entry | {"dollars_an_hour": 2}}))
    return load_hardware()


def write_benchmark(name, rates=RATES, precision="bfloat16", configuration=PLAIN):
    path = paths.BENCHMARKS / f"training_step_{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {"precision": precision, "configuration": configuration, "operations_per_second": rates}
    path.write_text(json.dumps({"settings": settings}))


def cost_of(study, machine):
    return estimate(study, make_plan(study), machine)


def run_cost(cost, run):
    return next(entry for entry in cost.runs if entry.run == run)


def operations_a_pixel(study, run):
    """Multiply-adds of a forward pass per pixel, counted by torch, which counts additions separately."""
    with torch.device("meta"):
        network = build(study.run(run), study.data_of(run).labels, width=study.settings.width).eval()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, 192, 192))
    return counter.get_total_flops() / 2 / 192**2


class TestHours:
    def test_of_an_iteration(self, small, machine):
        """Six operations for each multiply-add of the batch: two, and backward twice as much as forward."""
        for run in RUNS:
            by_torch = 6 * operations_a_pixel(small, run) * 4 * 96 * 192 / 1e12
            # torch counts convolutions alone; batch normalisations and ReLUs are a few per cent of a slim network
            assert by_torch <= run_cost(cost_of(small, machine), run).seconds_an_iteration <= 1.07 * by_torch

    def test_of_jobs(self, small, machine):
        cost = run_cost(cost_of(small, machine), "fcn_r50")
        seconds = cost.seconds_an_iteration
        assert cost.training_hours == pytest.approx(400 * seconds / 3600)
        # a third of an iteration's operations for each pixel, 32 images of 128 x 256
        evaluation = 32 * seconds / 3 * (128 * 256) / (4 * 96 * 192) / 3600
        assert cost.evaluation_hours == {"single_scale": pytest.approx(evaluation)}
        assert cost.trainings == Amount(*[pytest.approx(3 * cost.training_hours)] * 2)
        assert cost.predictions == Amount(*[pytest.approx(3 * evaluation)] * 2)
        assert cost.export_hours is None

    def test_in_float32_at_its_own_peak(self, small, machine):
        training = yaml.safe_load(paths.study_file("trio").read_text())["training"]
        slow = cost_of(change_study("trio", training=training | {"precision": "float32"}), machine)
        fast = cost_of(small, machine)
        assert [run.precision for run in slow.runs] == ["float32"] * 3
        for run in RUNS:
            assert run_cost(slow, run).seconds_an_iteration == 2 * run_cost(fast, run).seconds_an_iteration
            assert run_cost(slow, run).evaluation_hours == run_cost(fast, run).evaluation_hours

    def test_what_is_done_is_not_left(self, small, machine):
        write_record(small, "train", "fcn_r50", 0)
        write_record(small, "train", "fcn_r50", 2)
        write_record(small, "evaluate", "fcn_r50", 2)
        cost = run_cost(cost_of(small, machine), "fcn_r50")
        assert cost.trainings == Amount(pytest.approx(3 * cost.training_hours), pytest.approx(cost.training_hours))
        assert cost.predictions.left == pytest.approx(2 / 3 * cost.predictions.in_all)
        assert cost.checkpoints == Amount(3 * 4 * cost.parameters, 4 * cost.parameters)

    def test_of_the_test_server_s_images(self, demo, machine):
        run = "deeplabv3plus_r101_fbnet_trainval"
        cost = run_cost(cost_of(demo, machine), run)
        settings = demo.evaluation("multi_scale")
        seen = 8 * 2 * sum(prod(round(scale * side) for side in (128, 256)) for scale in settings.scales)
        expected = cost.seconds_an_iteration / 3 * seen / (4 * 96 * 192) / 3600
        assert cost.export_hours == pytest.approx(expected)
        assert (cost.evaluation_hours, cost.predictions.in_all) == ({}, pytest.approx(expected))

    def test_of_a_split_of_unpublished_size_are_unknown(self, project, machine):
        data = yaml.safe_load(paths.study_file("camvid").read_text())["data"]
        data["cityscapes"]["train"] = "held_out"
        cost = cost_of(change_study("camvid", data=data, **TABLE_1), machine)
        assert {run.training_hours for run in cost.runs} == {None}
        assert {run.evaluation_hours["single_scale"] is None for run in cost.runs} == {False}
        totals = cost.totals
        unknown = Amount(None, None)
        assert totals["gpu_hours"] == totals["dollars"] == totals["shared"] == totals["data_bytes"] == unknown
        assert "unknown" in cost_text(cost)


class TestTables:
    def test_by_themselves(self, small, machine):
        """Each run and seed of a table counts once; figures take the first seed."""
        cost = cost_of(small, machine)
        needed = {"table_1": PAIR.values(), "table_2": ["pspnet_r50", "fcn_r50"], "figures": PAIR.values()}
        jobs = {
            name: {(run, seed) for run in runs for seed in ([0] if name == "figures" else [0, 1, 2])}
            for name, runs in needed.items()
        }

        def hours(chosen):
            costs = {run.run: run.training_hours + run.evaluation_hours["single_scale"] for run in cost.runs}
            return sum(costs[run] for run, _ in chosen)

        for name, chosen in jobs.items():
            assert cost.tables[name].in_all == pytest.approx(hours(chosen))
        everything, alone = hours(set().union(*jobs.values())), sum(map(hours, jobs.values()))
        assert cost.totals["gpu_hours"].in_all == pytest.approx(everything)
        assert cost.totals["tables_one_by_one"].in_all == pytest.approx(alone)
        assert cost.totals["shared"].in_all == pytest.approx(alone - everything)

    def test_of_the_paper(self, project, machine):
        """Table 5 includes the pre-training, which is not one of its rows."""
        study = change_study("paper", tables=["table_5", "table_6"], figures=[])
        cost = cost_of(study, machine)
        nothing = pytest.approx(0, abs=1e-12 * cost.totals["gpu_hours"].in_all)  # sums in another order
        assert cost.totals["shared"] == Amount(nothing, nothing)
        runs = [run_cost(cost, run) for run in study.runs_of_table("table_5")]
        assert "deeplabv3plus_wrn38_mapillary" in [run.run for run in runs]
        assert cost.tables["table_5"] == total(part for run in runs for part in (run.trainings, run.predictions))


class TestRates:
    def test_without_a_benchmark_they_are_estimated(self, small, machine):
        cost = cost_of(small, machine)
        assert not any(run.measured for run in cost.runs)
        assert cost.totals["measured"] == Amount(0, 0)
        assert cost.totals["estimated"] == cost.totals["gpu_hours"]

    def test_a_benchmark_of_the_machine_is_used_as_measured(self, small, machine):
        before = run_cost(cost_of(small, machine), "fcn_r50").seconds_an_iteration
        write_benchmark("test")
        cost = cost_of(small, machine)
        assert all(run.measured and not run.compiled for run in cost.runs)
        assert run_cost(cost, "fcn_r50").seconds_an_iteration == pytest.approx(before / 2)
        assert cost.totals["measured"] == cost.totals["trainings"]
        assert cost.totals["estimated"] == cost.totals["predictions"]  # never measured
        assert "measured" in cost_text(cost).splitlines()[4]

    def test_a_compiled_training_has_its_own(self, small, machine):
        write_benchmark("test")
        training = yaml.safe_load(paths.study_file("trio").read_text())["training"]
        compiled = cost_of(change_study("trio", training=training | {"epochs": 250}), machine)  # 10 000 iterations
        assert all(run.compiled for run in compiled.runs)
        slower = run_cost(cost_of(small, machine), "fcn_r50").seconds_an_iteration
        assert run_cost(compiled, "fcn_r50").seconds_an_iteration == pytest.approx(slower * 2 / 5)

    @pytest.mark.parametrize(
        ("name", "precision", "rates"),
        [
            ("other", "bfloat16", RATES),
            ("test2", "bfloat16", RATES),
            ("test", "float32", RATES),
            ("test", "bfloat16", {"training step, operations per second": 2e12}),
        ],
    )
    def test_a_benchmark_of_something_else_is_ignored(self, small, machine, name, precision, rates):
        write_benchmark(name, rates, precision)
        assert load_rates(machine).of(small.settings.training, "bfloat16", compiled=False) == (1e12, False)

    def test_a_gpu_s_name_may_continue_after_a_hyphen(self, small, machine):
        write_benchmark("test-sxm4-80gb")
        assert load_rates(machine).of(small.settings.training, "bfloat16", compiled=True) == (5e12, True)

    @pytest.mark.parametrize("part", [*PLAIN, None])
    def test_a_benchmark_of_another_training_is_not_taken_for_this_one(self, small, machine, part):
        """Hard examples, colours and deterministic kernels take time: the rate is an estimate, and called one."""
        write_benchmark("test", configuration=PLAIN | {part: not PLAIN[part]} if part else None)
        cost = cost_of(small, machine)
        assert not any(run.measured for run in cost.runs)
        assert cost.totals["measured"] == Amount(0, 0)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("{", "damaged"),
            ("[]", "settings have no precision"),
            ('{"settings": {"operations_per_second": {}}}', "settings have no precision"),
            (
                '{"settings": {"precision": "bfloat16", "operations_per_second": {"x, R101": 0}}}',
                "'x, R101' is not a rate",
            ),
            ('{"settings": {"precision": "bfloat16", "operations_per_second": {"x, R101": "1"}}}', "is not a rate"),
            (
                '{"settings": {"precision": "bfloat16", "operations_per_second": {"x, R101": 1' + 400 * "0" + "}}}",
                "a number above",
            ),
        ],
    )
    def test_a_damaged_one_is_refused(self, small, machine, content, message):
        write_benchmark("test")
        path = paths.training_benchmarks("test")[0]
        path.write_text(content)
        with pytest.raises(
            InputError, match=f"^{path}: damaged .*; run `python -m benchmarks training_step` again"
        ) as error:
            cost_of(small, machine)
        assert message in str(error.value)


class TestMemory:
    @pytest.mark.parametrize("run", ["fcn_r50_fbnet", "pspnet_r50", "deeplabv3plus_wrn38_fbnet", "fcn_r101_bwbce_conv"])
    def test_kept_for_the_backward_pass_is_what_a_real_network_keeps(self, demo, run):
        network, images = build(demo.run(run), CITYSCAPES, width=0.0625).train(), torch.zeros(2, 3, 64, 96)
        described = describe(demo.run(run), CITYSCAPES, 0.0625)
        assert trace_forward(described, images.to("meta"), 4) == trace_forward(network, images, 4)

    def test_of_layers_by_hand(self):
        layers = nn.Sequential(
            nn.Conv2d(3, 5, 3, padding=1, bias=False), nn.BatchNorm2d(5), nn.ReLU(inplace=True), nn.Conv2d(5, 2, 1)
        )
        # the image, the convolution's output, mean and deviation of its channels, and the ReLU's output
        numbers = 2 * 3 * 64 + 2 * 5 * 64 + 2 * 5 + 2 * 5 * 64
        assert trace_forward(layers, torch.zeros(2, 3, 8, 8), 2)[1] == 2 * numbers

    @pytest.mark.parametrize(("run", "logits"), [("fcn_r50", 1), ("fcn_r101_pce_dfm", 2)])
    def test_of_a_training(self, demo, run, logits):
        """Weights, gradients, momentum, in bfloat16 a copy; activations; logits and gradients of 4 crops."""
        run, training = demo.run(run), demo.training_of(run)
        network, images = build(run, CITYSCAPES, width=0.125).train(), torch.zeros(4, 3, 96, 192)
        weights = sum(parameter.numel() for parameter in network.parameters())
        maps = 2 * logits * 4 * 4 * 19 * 96 * 192
        for precision, float_bytes, copy in (("float32", 4, 0), ("bfloat16", 2, 2)):
            estimate = Estimate(run=run, labels=CITYSCAPES, training=training, precision=precision, width=0.125)
            found = footprint(estimate)
            assert found.memory == (12 + copy) * weights + trace_forward(network, images, float_bytes)[1] + maps
            assert found.parameters == weights

    def test_what_does_not_fit_is_named(self, small, machine):
        least, *_, most = sorted(run.memory_gib for run in cost_of(small, machine).runs)
        assert all(run.fits for run in cost_of(small, machine).runs)
        assert cost_text(cost_of(small, machine)).endswith("every training fits into 1 GiB, as estimated")
        cost = cost_of(small, machine.model_copy(update={"memory_gib": (least + most) / 2}))
        large = [run.run for run in cost.runs if run.memory_gib > (least + most) / 2]
        assert [run.run for run in cost.runs if not run.fits] == large
        assert 0 < len(large) < 3
        assert cost_text(cost).splitlines()[-1].endswith(f"a GPU for {', '.join(large)}")


class TestDisk:
    def test_of_scenes(self, demo, machine):
        assert data_bytes(demo.role("cityscapes")) == 4 * 192 * 128 * 256
        assert data_bytes(demo.role("cityscapes_test")) == 3 * 8 * 128 * 256  # without labels
        assert cost_of(demo, machine).prepared["bdd100k"] == Amount(*[4 * 192 * 96 * 176] * 2)

    def test_of_real_data_as_published(self, project):
        paper = load_study("paper")
        assert data_bytes(paper.role("cityscapes")) == 4 * 3475 * 1024 * 2048
        assert data_bytes(paper.role("bdd100k")) == 4 * 8000 * 720 * 1280
        assert data_bytes(load_study("camvid").data) == 4 * 600 * 360 * 480

    def test_as_prepared(self, project, machine):
        study = change_study("camvid", **TABLE_1)
        write_manifests(study.data, {"train": 2, "test": 1}, height=10, width=20)
        path = paths.manifest_file(study.data.packed_name("train"))
        images = [{"height": 10, "width": 20}, {"height": 30, "width": 40}]
        path.write_text(json.dumps({"images": images}))
        assert image_sizes(study.data, "train") == {(10, 20): 1, (30, 40): 1}
        assert cost_of(study, machine).prepared == {"cityscapes": Amount(4 * (200 + 1200 + 200), 0)}

    @pytest.mark.parametrize("side", [None, 0, -3, "8", True, 2.5])
    def test_prepared_images_without_a_size_are_refused(self, project, side):
        data = load_study("camvid").data
        write_manifests(data, {"train": 1}, height=8, width=side)
        path = paths.manifest_file(data.packed_name("train"))
        with pytest.raises(InputError, match=f"^{path}: damaged .*prepare data set 'camvid' again"):
            data_bytes(data)


def test_money(small, machine):
    totals = cost_of(small, machine).totals
    assert totals["dollars"].in_all == pytest.approx(2 * totals["gpu_hours"].in_all)


def test_amounts():
    assert total([Amount(1, 2), Amount(3, None)]) == Amount(4, None)
    assert total([]) == Amount(0, 0)
    assert Amount(1, None).scaled(3) == Amount(3, None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"), (0, "0"), (0.0004, "<0.001"), (0.0123456, "0.0123"), (5.8, "5.80"), (99.94, "99.9"),
        (99.96, "100"), (1234.5, "1,234"),
    ],
)  # fmt: skip
def test_numbers_for_people(value, text):
    assert number(value) == text


class TestCommand:
    def test_the_first_machine_is_the_default(self, small, machine):
        result = fbnet("plan", "--study", "trio", "--json")
        assert result.returncode == 0, result.stderr
        content = json.loads(result.stdout)["cost"]
        assert content == json.loads(json.dumps(cost_of(small, machine).as_dict()))
        assert content["hardware"]["name"] == "test"
        assert list(content["tables"]) == ["table_1", "table_2", "figures"]

    @pytest.mark.slow
    def test_of_the_paper_on_a_named_machine(self, project):
        result = fbnet("plan", "--study", "paper", "--hardware", "a100")
        assert result.returncode == 0, result.stderr
        lines = result.stdout.splitlines()
        assert max(map(len, lines)) <= 160
        assert any(line.split()[:2] == ["GPU", "hours"] and line.startswith("GPU hours ") for line in lines)
        assert sum("NVIDIA A100" in line for line in lines) == 1
        assert [line.split()[0] for line in lines if line.startswith(("table_", "figures "))] == [
            *(f"table_{number}" for number in range(1, 7)), "figures",
        ]  # fmt: skip

    def test_an_unknown_machine_is_one_line(self, project):
        line = refused(fbnet("plan", "--hardware", "abacus"))
        assert line.endswith("params/hardware.yaml: no hardware 'abacus'; choose from h100, h200, a100, l40s")
