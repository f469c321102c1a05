"""`fbnet audit --study`: whatever does not hold is named, and nothing else, in throw-away copies of a study."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from fbnet.io.files import sha256
from tests.conftest import ROOT, VAL
from tests.workflow.audits import RECORDS, RUN, TABLE, audit, change_json, failures, record_again

pytestmark = pytest.mark.workflow


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
            "cells computed alike": (counts["cells computed alike"][0], 0, 0),
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
        assert counts["figures drawn again"] == (1, 0, 0)

    @pytest.mark.slow
    def test_deep(self, copy):
        code, counts, lines = audit(copy, "--deep")
        assert (code, lines) == (0, ["study toy: every cell holds"])
        assert counts["evaluations predicted again"] == (4, 0, 0)

    @pytest.mark.slow
    def test_another_torch_is_noted(self, copy):
        for path in (copy.folder / RECORDS).glob("*/*/seed0.json"):
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
        others = {location for location in locations if not location.startswith(self.PATH)}
        assert others == {"results/toy/figures/figure_2.png"}  # it shows this matrix

    def test_damaged_metrics(self, clone):
        (clone.folder / self.PATH).write_text("{")
        found = failures(clone)
        assert self.ANOTHER in found
        assert any(line.startswith(f"{self.PATH}: no readable metrics (") for line in found)
        assert any(line.startswith(f"{TABLE}: cannot be made again: {self.PATH}") for line in found)


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


class TestCommand:
    def test_nothing_is_made(self, made):
        result = made.run("fbnet", "audit", "--study", "camvid", check=False)
        assert result.returncode == 1
        *_, line, last = result.stdout.splitlines()
        assert line.startswith("study camvid: no results yet; make them with `snakemake --cores all")
        assert last == "study camvid: 1 failure"

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
