"""`fbnet audit --study`: whatever does not hold is named, and nothing else, in throw-away copies of a study."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fbnet.io.files import sha256
from fbnet.provenance.records import digest
from tests.conftest import ROOT, VAL

pytestmark = pytest.mark.workflow

TABLE = "results/toy/tables/table_1.csv"
RUN = "results/toy/runs/fcn_r50/seed0"
RECORDS = "results/toy/provenance"


def audit(clone, *arguments):
    """Output of an audit: exit code, counts by kind of check, failures and verdict."""
    result = clone.run("fbnet", "audit", "--study", "toy", *arguments, check=False)
    assert result.returncode in (0, 1), result.stderr
    counts, rest = {}, []
    for line in result.stdout.splitlines()[2:]:
        what, *numbers = line.rsplit(maxsplit=3)
        if not rest and len(numbers) == 3 and all(number.isdigit() for number in numbers):
            counts[what] = tuple(map(int, numbers))
        else:
            rest.append(line)
    return result.returncode, counts, rest


def failures(clone, *arguments):
    """The failures of an audit that finds some."""
    code, counts, lines = audit(clone, *arguments)
    assert code == 1
    *found, last = lines
    assert sum(row[2] for row in counts.values()) == len(found)
    assert last == f"study toy: {len(found)} failure{'s' if len(found) > 1 else ''}"
    return found


def change_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=1) + "\n")


def record_again(clone, kind, name):
    """Lets a record, and those of what is made from it, say that the files there are now are its own."""
    renewed = {}

    def outputs(record):
        here = [path for path in record["outputs"] if (clone.folder / path).is_file()]
        record["outputs"] |= {path: sha256(clone.folder / path) for path in here}
        record["digest"] = renewed["digest"] = digest(record["outputs"])

    def inputs(record):
        result = f"{kind} {name.replace('/', ' ')}"
        record["inputs"] |= {result: renewed["digest"]} if result in record["inputs"] else {}

    change_json(clone.folder / RECORDS / kind / f"{name}.json", outputs)
    for path in (clone.folder / RECORDS).rglob("*.json"):
        change_json(path, inputs)


@pytest.fixture(scope="module")
def chain(made):
    return json.loads(made.run("fbnet", "audit", "--study", "toy", "--json").stdout)


class TestWhatHolds:
    def test_a_full_run(self, copy):
        code, counts, lines = audit(copy)
        assert (code, lines) == (0, ["study toy: every cell holds"])
        assert counts == {
            "records": (13, 0, 0),
            "files of prepared data": (6, 0, 0),
            "checkpoints": (4, 0, 0),
            "files of metrics": (4, 0, 0),
            "files of samples": (4, 0, 0),
            "files of tables": (8, 0, 0),
            "files of figures": (2, 0, 0),
            "histories": (4, 0, 0),
            "metrics recomputed": (4, 0, 0),
            "table cells made again": (counts["table cells made again"][0], 0, 0),
            "samples compared with metrics": (4, 0, 0),
            "figures drawn again": (1, 0, 0),
        }
        tables = [copy.folder / f"results/toy/tables/table_{number}.csv" for number in (1, 2)]
        cells = sum(len(row) for path in tables for row in csv.DictReader(path.open()))
        assert counts["table cells made again"][0] == cells

    def test_a_clone_without_data_and_checkpoints(self, clone):
        code, counts, lines = audit(clone, "--deep")
        assert (code, lines) == (0, ["study toy: every cell holds"])
        assert counts["files of prepared data"] == (0, 2, 0)
        assert counts["checkpoints"] == counts["files of samples"] == (0, 4, 0)
        assert counts["files of metrics"] == (4, 0, 0)
        assert counts["evaluations predicted again"] == (0, 4, 0)
        assert counts["samples compared with metrics"] == (0, 4, 0)
        assert counts["figures drawn again"] == (0, 1, 0)

    @pytest.mark.slow
    def test_deep(self, copy):
        code, counts, lines = audit(copy, "--deep")
        assert (code, lines) == (0, ["study toy: every cell holds"])
        assert counts["evaluations predicted again"] == (4, 0, 0)

    @pytest.mark.slow
    def test_another_torch_is_noted(self, copy):
        path = copy.folder / RECORDS / "evaluate/fcn_r50/seed0.json"
        change_json(path, lambda record: record["environment"].update(torch="2.11.0"))
        code, _, lines = audit(copy, "--deep")
        assert code == 0
        (note,) = lines[:-1]
        assert note.startswith("note: torch is ")
        assert note.endswith(", was 2.11.0: up to 0.1% of pixels may differ")


class TestChain:
    """From a cell to the data, by the names that the JSON has for them."""

    def test_from_cell_to_commit(self, made, chain):
        assert chain["holds"] is True
        cell = chain["tables"]["table_1"]["fcn_r50"]["traffic light"]
        row = next(row for row in csv.DictReader((made.folder / TABLE).open()) if row["run"] == "fcn_r50")
        assert cell["value"] == row["traffic_light"]
        assert cell["read_from"] == [f"{RUN}/metrics.json"]
        assert cell["made_from"] == ["evaluate fcn_r50 seed0"]

        evaluation = chain["results"]["evaluate fcn_r50 seed0"]
        assert evaluation["made_from"] == ["train fcn_r50 seed0", f"prepare {VAL.replace('/', ' ')}"]
        training = chain["results"]["train fcn_r50 seed0"]
        checkpoint = f"{RUN}/model.pt"
        assert training["files"] == [
            {"path": checkpoint, "sha256": sha256(made.folder / checkpoint), "here": True},
        ]
        assert training["parameters"]["training"]["learning_rate"] == 0.01
        assert training["parameters"]["seed"] == 0
        assert training["git_commit"] == made.git("rev-list", "--max-parents=0", "HEAD")
        assert training["git_dirty"] is False
        assert training["device"] == "cpu"
        assert training["torch"]
        (manifest,) = chain["results"][evaluation["made_from"][1]]["files"]
        assert manifest["sha256"] == sha256(made.folder / f"data/{VAL}/manifest.json")

    def test_a_gain_is_of_two_runs(self, chain):
        cell = chain["tables"]["table_2"]["pspnet_r50_fbnet"]["miou_gain"]
        assert set(cell["made_from"]) == {"evaluate pspnet_r50 seed0", "evaluate pspnet_r50_fbnet seed0"}

    def test_every_name_leads_somewhere(self, chain):
        cells = [cell for rows in chain["tables"].values() for row in rows.values() for cell in row.values()]
        links = [*cells, *chain["results"].values()]
        assert {name for link in links for name in link["made_from"]} <= chain["results"].keys()
        assert all(cell["made_from"] for cell in cells)

    def test_what_is_not_here(self, clone):
        result = clone.run("fbnet", "audit", "--study", "toy", "--json")
        (checkpoint,) = json.loads(result.stdout)["results"]["train fcn_r50 seed0"]["files"]
        assert checkpoint["here"] is False
        assert len(checkpoint["sha256"]) == 64


class TestTables:
    def cell(self, clone, column="miou"):
        """Changes a cell of the first row, and returns what it was."""
        path = clone.folder / TABLE
        with path.open() as file:
            rows = list(csv.DictReader(file))
        was, rows[0][column] = rows[0][column], "99.99"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        return was

    def test_a_changed_cell(self, copy):
        was = self.cell(copy)
        assert failures(copy) == [
            f"{TABLE}: its sha256 is not the recorded one",
            f"{TABLE}: row fcn_r50, column miou: is 99.99, but the metrics give {was}",
        ]

    def test_a_changed_cell_that_its_record_agrees_with(self, clone):
        was = self.cell(clone, "traffic_light")
        record_again(clone, "table", "table_1")
        location = f"{TABLE}: row fcn_r50, column traffic_light"
        assert failures(clone) == [f"{location}: is 99.99, but the metrics give {was}"]

    def test_a_changed_line_for_people(self, clone):
        path = clone.folder / "results/toy/tables/table_1.md"
        path.write_text(path.read_text().replace("percent", "per mille", 1))
        record_again(clone, "table", "table_1")
        (line,) = failures(clone)
        assert line.startswith("results/toy/tables/table_1.md: line 1: from character ")
        assert "it is ' mille," in line
        assert "not 'cent," in line

    def test_a_row_that_was_taken_away(self, clone):
        path = clone.folder / TABLE
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
        assert f"{TABLE}: has other rows or columns than the study's table" in failures(clone)

    def test_a_table_that_is_gone(self, clone):
        (clone.folder / TABLE).unlink()
        assert failures(clone) == [f"{TABLE}: is missing"]


class TestMetrics:
    PATH = f"{RUN}/metrics.json"
    ANOTHER = f"{PATH}: its sha256 is not the recorded one"

    def test_a_changed_miou(self, clone):
        was = json.loads((clone.folder / self.PATH).read_text())["miou"]
        change_json(clone.folder / self.PATH, lambda content: content.update(miou=0.75))
        found = failures(clone)
        assert found[:2] == [self.ANOTHER, f"{self.PATH}: miou: is 0.75, but its confusion matrix gives {was}"]
        assert any(line.startswith(f"{TABLE}: row fcn_r50, column miou: is ") for line in found)

    def test_the_last_digit_of_miou(self, clone):
        was = json.loads((clone.folder / self.PATH).read_text())["miou"]
        change_json(clone.folder / self.PATH, lambda content: content.update(miou=np.nextafter(was, 1)))
        record_again(clone, "evaluate", "fcn_r50/seed0")
        (line,) = failures(clone)
        assert line.endswith(f"but its confusion matrix gives {was}")

    def test_a_changed_entry_of_the_confusion_matrix(self, clone):
        def change(content):
            content["confusion_matrix"][0][1] += 1000

        change_json(clone.folder / self.PATH, change)
        record_again(clone, "evaluate", "fcn_r50/seed0")
        locations = {line.partition(": is ")[0] for line in failures(clone)}
        assert {f"{self.PATH}: miou", f"{self.PATH}: iou.road", f"{self.PATH}: pixel_accuracy"} <= locations
        assert all(location.startswith(self.PATH) for location in locations)

    def test_damaged_metrics(self, clone):
        (clone.folder / self.PATH).write_text("{")
        found = failures(clone)
        assert self.ANOTHER in found
        assert any(line.startswith(f"{self.PATH}: no readable metrics (") for line in found)
        assert any(line.startswith(f"{TABLE}: cannot be made again: {self.PATH}") for line in found)


class TestHistories:
    @pytest.mark.parametrize(
        ("spoil", "problem"),
        [
            (lambda text: text.replace(",2,", ",two,"), "not a history as `fbnet train` writes it (invalid literal"),
            (lambda text: text.splitlines()[0] + "\n", "holds 0 epochs, not those of the training, in order"),
            (lambda text: text + text.splitlines()[1] + "\n", "holds 2 epochs, not those of the training, in order"),
        ],
    )
    def test_a_damaged_one(self, clone, spoil, problem):
        path = clone.folder / RUN / "history.csv"
        path.write_text(spoil(path.read_text()))
        (found,) = failures(clone)
        assert found.startswith(f"{RUN}/history.csv: {problem}")

    def test_a_missing_one(self, clone):
        (clone.folder / RUN / "history.csv").unlink()
        assert len(failures(clone)) == 1


@pytest.mark.slow
class TestFiles:
    def test_another_runs_checkpoint(self, copy):
        path = f"{RUN}/model.pt"
        shutil.copy(copy.folder / "results/toy/runs/pspnet_r50/seed0/model.pt", copy.folder / path)
        expected = [
            f"{path}: its sha256 is not the recorded one",
            f"{RUN}/samples.npz: {path}: trained with parameters other than the study's; train this run again",
        ]
        assert failures(copy) == expected[:1]
        assert failures(copy, "--deep") == expected

    def test_an_array_of_prepared_data(self, copy):
        path = f"data/{VAL}/labels.npy"
        labels = np.load(copy.folder / path, mmap_mode="r+")
        labels[0] += 1
        labels.flush()
        assert failures(copy) == [f"{path}: its sha256 is not the recorded one"]

    def test_a_manifest(self, copy):
        path = f"data/{VAL}/manifest.json"
        (copy.folder / path).write_text("{}")
        assert failures(copy) == [f"{path}: its sha256 is not the recorded one"]

    def test_a_figure(self, clone):
        path = "results/toy/figures/figure_2.svg"
        (clone.folder / path).open("a").write("<!-- -->")
        assert failures(clone) == [f"{path}: its sha256 is not the recorded one"]


class TestRecords:
    def test_a_figure_made_by_other_code(self, clone):
        (clone.folder / "fbnet/report/confusion.py").open("a").write("\n# A remark.\n")
        record = f"{RECORDS}/figure/figure_2.json"
        assert failures(clone) == [f"{record}: figure figure_2 is stale: fbnet/report/confusion.py changed"]

    def test_a_figure_made_from_other_metrics(self, clone):
        record = f"{RECORDS}/figure/figure_2.json"
        change_json(clone.folder / record, lambda content: content["inputs"].update({"evaluate fcn_r50 seed0": "0"}))
        assert failures(clone) == [f"{record}: figure figure_2 is stale: made from another evaluate fcn_r50 seed0"]

    def test_a_changed_parameter_is_named_once(self, clone):
        clone.change("params/runs.yaml", runs__pspnet_r50__recipe="slow")
        record = f"{RECORDS}/train/pspnet_r50/seed0.json"
        why = "train pspnet_r50 seed0 is stale: training.learning_rate 0.01 -> 0.005"
        assert f"{record}: {why}" in failures(clone)

    def test_a_missing_one(self, clone):
        record = f"{RECORDS}/evaluate/fcn_r50/seed0.json"
        (clone.folder / record).unlink()
        assert failures(clone) == [f"{record}: there is no record of evaluate fcn_r50 seed0"]

    def test_a_damaged_one(self, clone):
        record = f"{RECORDS}/table/table_1.json"
        (clone.folder / record).write_text("{")
        (line,) = failures(clone)
        assert line.startswith(f"{record}: no readable record (")

    def test_files_without_their_digest(self, clone):
        record = f"{RECORDS}/figure/figure_2.json"
        change_json(clone.folder / record, lambda content: content.update(outputs={}))
        assert failures(clone) == [
            f"{record}: the digest of figure figure_2 is not that of its files",
            *(f"results/toy/figures/figure_2.{suffix}: is not in its record" for suffix in ("png", "svg")),
        ]


@pytest.mark.slow
class TestPictures:
    def test_samples_of_another_evaluation(self, copy):
        """Everything that is recorded agrees with the files, and yet one is not of this evaluation."""
        samples = copy.folder / RUN / "samples.npz"
        shutil.copy(copy.folder / RUN.replace("fcn", "pspnet") / "samples.npz", samples)
        record_again(copy, "evaluate", "fcn_r50/seed0")
        assert (
            f"{RUN}/samples.npz: is of another evaluation: the metrics beside it do not count its pixels"
            in failures(copy)
        )

    def test_a_retouched_figure(self, copy):
        path = copy.folder / "results/toy/figures/figure_2.png"
        with Image.open(path) as image:
            pixels = np.array(image)
        pixels[:5, :5] = 0
        Image.fromarray(pixels).save(path)
        record_again(copy, "figure", "figure_2")
        found = failures(copy)
        assert found == ["results/toy/figures/figure_2.png: is not the picture that samples and metrics give"]

    def test_another_matplotlib_is_noted(self, copy):
        path = copy.folder / RECORDS / "figure/figure_2.json"
        change_json(path, lambda record: record["environment"].update(matplotlib="3.9.0"))
        code, counts, lines = audit(copy)
        assert (code, counts["figures drawn again"]) == (0, (0, 1, 0))
        assert lines[0].startswith("note: figure_2 is not drawn again: matplotlib is ")


@pytest.mark.slow
class TestDeep:
    def samples(self, clone, change):
        """Changes the kept samples of a run, and lets the records agree."""
        path = clone.folder / RUN / "samples.npz"
        with np.load(path) as stored:
            arrays = dict(stored)
        change(arrays)
        np.savez_compressed(path, **arrays)
        record_again(clone, "evaluate", "fcn_r50/seed0")
        return f"{RUN}/samples.npz: {arrays['names'][1]}"

    def test_a_prediction_that_the_checkpoint_does_not_make(self, copy):
        def change(arrays):
            ignored = tuple(np.argwhere(arrays["label_1"] == 255)[0])  # so that the metrics do not count it
            arrays["prediction_1"][ignored] = (arrays["prediction_1"][ignored] + 1) % 19

        location = self.samples(copy, change)
        assert audit(copy)[0] == 0
        assert failures(copy, "--deep") == [f"{location}: 1 of 8192 pixels differ from the checkpoint's prediction"]

    def test_a_label_that_the_data_do_not_have(self, copy):
        def change(arrays):
            arrays["label_1"][0, 0] = (arrays["label_1"][0, 0] + 1) % 19

        location = self.samples(copy, change)
        assert failures(copy, "--deep") == [
            f"{RUN}/samples.npz: is of another evaluation: the metrics beside it do not count its pixels",
            f"{location}: image or label differ from the prepared data",
        ]


class TestCommand:
    def test_nothing_is_made(self, made):
        result = made.run("fbnet", "audit", "--study", "camvid_small", check=False)
        assert result.returncode == 1
        *_, line, last = result.stdout.splitlines()
        assert line.startswith("study camvid_small: no results yet; make them with `snakemake --cores all")
        assert last == "study camvid_small: 1 failure"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--study", "kitti"), "fbnet: params/studies/kitti.yaml: no such study 'kitti'"),
            ((), "Error: give one of --paper and --study"),
            (("--paper", "--study", "toy"), "Error: give one of --paper and --study"),
            (("--paper", "--deep"), "Error: --deep is for a --study"),
        ],
    )
    def test_what_is_refused(self, made, arguments, message):
        result = made.run("fbnet", "audit", *arguments, check=False)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.splitlines()[-1].startswith(message)

    def test_needs_no_torch(self):
        code = "import sys, fbnet.audit.study; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
