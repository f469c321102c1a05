import base64
import csv
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fbnet import paths
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.provenance.graph import Result, build_graph, of_run
from fbnet.provenance.recording import recording
from fbnet.provenance.records import read
from fbnet.report import curves
from fbnet.report.figures import write_figure
from fbnet.report.histories import read_history
from fbnet.report.page import make_page, write_page
from fbnet.report.tables import write_table
from fbnet.training.history import EpochRecord
from tests.conftest import ROOT
from tests.made_up_results import change_study, write_metrics

FBNET = str(Path(sys.executable).with_name("fbnet"))
BASELINE, MODULATED = "pspnet_r50", "pspnet_r50_fbnet"
SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """A page's addresses, ids, tables and words."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.ids, self.tags, self.words = [], [], [], []
        self.tables, self.images = {}, {}
        self.section = self.row = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.addresses += [attributes[key] for key in ("src", "href", "srcset", "action", "data") if key in attributes]
        if "id" in attributes:
            self.ids.append(attributes["id"])
            self.section = attributes["id"]
        if tag == "img":
            self.images[attributes["alt"]] = attributes["src"]
        if tag == "tr":
            self.tables.setdefault(self.section, []).append([])
        if tag in ("td", "th"):
            self.tables[self.section][-1].append("")
            self.row = self.tables[self.section][-1]

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.row = None

    def handle_data(self, data):
        if self.row is not None:
            self.row[-1] += data
        elif data.strip():
            self.words.append(" ".join(data.split()))

    @property
    def text(self):
        return " ".join(self.words)

    def line(self, table, run_index, kind):
        """One line of a table by its column heads; the runs counted from 0."""
        head, *lines = self.tables[table]
        starts = [index for index, line in enumerate(lines) if line[0].endswith(("ours", "quoted"))]
        found = next(line for line in lines[starts[run_index] :] if line[0].endswith(kind))
        return dict(zip(head, found, strict=True))


def write_history(study, run, seed, losses, balance=0.0):
    records = [
        EpochRecord(epoch, 10 * epoch, 0.01, loss + balance, loss, balance, 1.5)
        for epoch, loss in enumerate(losses, start=1)
    ]
    path = paths.history_file(study.name, run, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(map(str, vars(record).values())) for record in records]
    path.write_text("\n".join([",".join(vars(records[0])), *lines]) + "\n")
    return path


def write_pair(study):
    """Gains of +1, +5 and +3 points: mean 3, sample deviation 2."""
    for seed, (before, after) in enumerate([(0.40, 0.41), (0.42, 0.47), (0.44, 0.47)]):
        write_metrics(study, BASELINE, seed, miou=before, gflops=11.25)
        write_metrics(study, MODULATED, seed, miou=after, gflops=11.5)
        write_history(study, BASELINE, seed, [2.0, 1.0])
        write_history(study, MODULATED, seed, [2.0, 1.0], balance=0.5)
    write_table(study, "table_2")


def strokes(svg, colour):
    """The points of each line of a colour."""
    styled = [entry for entry in ET.fromstring(svg).iter(f"{SVG}path") if f"stroke: {colour}" in entry.get("style", "")]
    return [re.findall(r"[ML] ([\d.]+) ([\d.]+)", entry.get("d")) for entry in styled]


def test_a_table_shows_ours_beside_the_papers(trio):
    write_pair(trio)
    page = Page(make_page(trio))
    assert page.line("table_2", 0, "ours")["mIoU"] == "42.0 ± 2.0"
    assert page.line("table_2", 0, "paper")["mIoU"] == "79.3"
    assert all("difference" not in line[0] for line in page.tables["table_2"])  # not comparable
    assert page.line("table_2", 2, "ours")["mIoU gain"] == "+3.0 ± 2.0 [−2.0, +8.0]"  # 2.0 * 4.303 / sqrt(3)
    assert page.line("table_2", 2, "ours")["Method"].startswith("PSPNet + FBNet")
    assert page.line("table_2", 2, "ours")["Seeds"] == "3"


def test_every_number_of_every_table_is_the_csvs(demo):
    for run in demo.runs:
        if demo.run(run).evaluated:
            write_metrics(demo, run, 0, miou=0.5123, f_miou=0.4321)
            write_metrics(demo, run, 0, miou=0.6123, scales="multi_scale")
    for table in demo.tables:
        write_table(demo, table)
    page = Page(make_page(demo))
    for table in demo.tables:
        with paths.table_files("demo", table)[0].open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) > 1
        for index, row in enumerate(rows):
            quoted = row["run"] in demo.quoted
            if not quoted:
                assert page.line(table, index, "ours")["mIoU"] == (row["miou"][:-1] if row["miou"] != "-" else "–")
            if row["miou_paper"] != "-":
                assert page.line(table, index, "quoted" if quoted else "paper")["mIoU"] == row["miou_paper"][:-1]


def test_comparable_numbers_have_a_difference(project):
    study = load_study("paper")
    write_metrics(study, BASELINE, 0, miou=0.42)
    write_table(study, "table_2")
    assert Page(make_page(study)).line("table_2", 0, "difference")["mIoU"] == "−37.3"


def test_only_tables_whose_files_exist_are_shown(trio):
    write_pair(trio)
    paths.table_files("trio", "table_2")[2].unlink()
    page = Page(make_page(trio))
    assert "table_2" not in page.tables
    assert "Not made yet: no results/trio/tables/table_2.csv" in page.text


def test_nothing_is_loaded_from_anywhere(trio):
    write_pair(trio)
    for run in (trio.figure_runs.baseline, trio.figure_runs.fbnet):
        write_metrics(trio, run, 0)
    write_figure(trio, "figure_2")
    text = make_page(trio)
    page = Page(text)
    assert len(page.addresses) > 20
    for address in page.addresses:
        assert address.startswith(("#", "data:")), address
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "script" not in page.tags
    assert not re.search(r"@import|url\(", text)
    assert "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"" in text


def test_a_figure_is_the_png_itself(trio):
    for run in (trio.figure_runs.baseline, trio.figure_runs.fbnet):
        write_metrics(trio, run, 0)
    write_figure(trio, "figure_2")
    page = Page(make_page(trio))
    kind, _, content = page.images["Figure 2: Confusion matrix of the baseline"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(content) == paths.figure_files("trio", "figure_2")[0].read_bytes()
    assert "Not drawn yet: no results/trio/figures/figure_1.png." in page.text


def test_the_same_files_give_the_same_page(trio):
    write_pair(trio)
    assert write_page(trio) == Path("results/trio/report.html")
    first = paths.report_file("trio").read_bytes()
    write_page(trio)
    assert paths.report_file("trio").read_bytes() == first


def test_a_study_of_which_nothing_is_made(trio):
    page = Page(make_page(trio))
    assert set(page.tables) == {"runs"}
    assert page.images == {}
    for name in trio.tables:
        assert f"Not made yet: no results/trio/tables/{name}.csv" in page.text
    assert "No history of seed 0, 1, 2 under results/trio/runs/fcn_r50" in page.words
    assert "Neither the result nor its record exists here." in page.text


def test_a_seed_without_history_is_named(trio):
    write_history(trio, BASELINE, 0, [2.0, 1.0])
    page = Page(make_page(trio))
    assert "Loss of pspnet_r50 over its epochs, at the end 1.000 with seed 0" in page.images
    assert "No history of seed 1, 2 under results/trio/runs/pspnet_r50" in page.words


def test_generated_scenes_cannot_be_taken_for_a_result(demo):
    page = Page(make_page(demo))
    assert "Generated scenes: a demonstration, not a result" in page.text
    names = [data.dataset for data in demo.settings.data.values()]
    assert len(names) == 5
    assert f"The images of {', '.join(names)} are computer-generated." in page.text


def test_real_data_are_no_demonstration_but_not_the_papers_either(project):
    page = Page(make_page(load_study("camvid")))
    assert "Generated scenes" not in page.text
    assert "not comparable with the paper's (Cityscapes validation set, full models)" in page.text
    assert "camvid, in place of cityscapes: train (367 images), test (233 images)" in page.text
    assert "pole, sign, fence, car, pedestrian, bicyclist" in page.text


def test_words_out_of_files_are_escaped(trio):
    study = change_study("trio", description="<script>alert('a & b')</script>")
    write_pair(study)
    text = make_page(study)
    assert "<script" not in text
    assert "<script>alert('a & b')</script>" in Page(text).text


def test_a_record_is_shown(trio):
    with recording(build_graph(trio), Result("table", "table_2")) as made:
        made.device, made.threads = "a fine GPU", 3
        write_pair(trio)
    record = read(trio, Result("table", "table_2"))
    page = Page(make_page(trio))
    assert record.digest in page.text
    assert "device a fine GPU, threads 3" in page.text
    for name, digits in record.sources.items():
        assert f"{digits[:12]} {name}" in page.text
    assert f"{record.files['params/reported/table_2.csv'][:12]} params/reported/table_2.csv" in page.text
    assert "unknown evaluate pspnet_r50 seed0" in page.text  # the evaluations have no record here
    assert "rows: [pspnet_r50, deeplabv3plus_r50, pspnet_r50_fbnet, deeplabv3plus_r50_fbnet]" in page.text


def test_what_no_longer_holds_is_said_with_its_reason(trio):
    with recording(build_graph(trio), of_run("evaluate", BASELINE, 0)):
        for path in (write_metrics(trio, BASELINE, 0), paths.samples_file("trio", BASELINE, 0)):
            path.touch()
    with recording(build_graph(trio), Result("table", "table_2")):
        write_pair(trio)
    study = change_study("trio", width=0.25)
    page = Page(make_page(study))
    assert re.search(r"Stale, to be made again: .*width 0\.125 -> 0\.25", page.text)
    metrics = paths.metrics_file("trio", BASELINE, 0)
    assert f"Not shown: {metrics}: width: is 0.125, but the study says 0.25; evaluate again" in page.text


def test_a_damaged_result_is_named_in_place_of_its_table(trio):
    write_pair(trio)
    path = paths.metrics_file("trio", BASELINE, 1)
    path.write_text("{")
    page = Page(make_page(trio))
    assert f"Not shown: {path}: not valid JSON metrics" in page.text
    assert "table_2" not in page.tables


@pytest.mark.parametrize("damage", ["nan", "", "many"])
def test_a_damaged_history_is_refused(trio, damage):
    path = write_history(trio, BASELINE, 0, [2.5, 1.0])
    path.write_text(path.read_text().replace("2.5", damage, 1))
    with pytest.raises(InputError, match=r"pspnet_r50/seed0/history\.csv: not a history .*train again"):
        make_page(trio)


def test_a_history_of_other_columns_is_refused(trio):
    path = write_history(trio, BASELINE, 0, [2.5, 1.0])
    path.write_text(path.read_text().replace("balance_loss", "aux_loss"))
    with pytest.raises(InputError, match="not a history"):
        read_history(path)


def test_curves_one_line_a_seed_and_balance_where_there_is_one(trio):
    write_pair(trio)
    histories = {seed: read_history(paths.history_file("trio", MODULATED, seed)) for seed in (0, 1, 2)}
    svg = curves.draw_curves(histories, (0.1, 10.0))
    loss, balance = strokes(svg, curves.LOSS_COLOUR), strokes(svg, curves.BALANCE_COLOUR)
    assert (len(loss), len(balance)) == (3, 3)
    # 2.5 falls to 1.5, higher up in the picture is a smaller y; the balance loss of 0.5 stays.
    assert float(loss[0][0][1]) < float(loss[0][1][1])
    assert balance[0][0][1] == balance[0][1][1] > loss[0][1][1]
    plain = curves.draw_curves({0: read_history(paths.history_file("trio", BASELINE, 0))}, (0.1, 10.0))
    assert (len(strokes(plain, curves.LOSS_COLOUR)), len(strokes(plain, curves.BALANCE_COLOUR))) == (1, 0)


def test_all_panels_share_one_range(trio):
    write_pair(trio)
    histories = [read_history(paths.history_file("trio", run, 0)) for run in (BASELINE, MODULATED)]
    assert curves.loss_range(histories) == pytest.approx((0.5 / 1.15, 2.5 * 1.15))
    assert curves.loss_range([]) == (0.1, 1.0)


def test_the_runs_with_start_baseline_and_what_needs_them(demo):
    head, *lines = Page(make_page(demo)).tables["runs"]
    runs = {line[0]: dict(zip(head, line, strict=True)) for line in lines}
    assert list(runs) == list(demo.runs)
    modulated = runs["deeplabv3plus_wrn38_fbnet"]
    assert modulated["Network"] == "DeepLabv3+ + FBNet, WiderResNet38"
    assert modulated["Starts from"] == "deeplabv3plus_wrn38_mapillary"
    assert modulated["Trained on"].startswith("synthetic, train")
    assert runs["fcn_r101_fbnet_res2"]["Baseline"] == "fcn_r101"
    assert (runs["fcn_r101"]["Starts from"], runs["fcn_r101"]["Baseline"]) == ("–", "–")
    assert runs["fcn_r101"]["Shown in"] == "Table 1, Table 3, Table 4"
    assert runs["fcn_r101_dfm"]["Shown in"] == "Table 4"
    pretrained = runs["deeplabv3plus_wrn38_mapillary"]
    assert (pretrained["Shown in"], pretrained["Also needed for"]) == ("–", "Table 5")
    assert runs["deeplabv3plus_r50"]["Shown in"] == "Table 2, Figure 1, Figure 2, Figure 7"


def test_a_study_without_figures_may_lack_their_runs(project):
    study = change_study("demo", runs=["fcn_r50"], tables=["table_1"], figures=[])
    line = Page(make_page(study)).tables["runs"][1]
    assert line[0] == "fcn_r50"
    assert line[-2:] == ["Table 1", "–"]


def test_the_command_says_where_the_page_is(trio):
    result = subprocess.run([FBNET, "report", "--study", "trio"], capture_output=True, text=True, check=True)
    assert result.stderr == "wrote results/trio/report.html\n"
    assert paths.report_file("trio").read_text().startswith("<!DOCTYPE html>")


def test_the_command_refuses_an_unknown_study(project):
    result = subprocess.run([FBNET, "report", "--study", "kitti"], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("fbnet: params/studies/kitti.yaml: no such study 'kitti'; choose from")


def test_make_report_takes_a_study():
    recipe = ["make", "--dry-run", "--directory", str(ROOT), "--old-file", "env", "report"]
    for arguments, study in (([], "demo"), (["STUDY=camvid"], "camvid")):
        result = subprocess.run([*recipe, *arguments], capture_output=True, text=True, check=True)
        assert f"fbnet report --study {study}\n" in result.stdout
