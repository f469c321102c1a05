"""Documentation against the repository: links, names and the examples."""

import re
import shlex
import textwrap
from pathlib import Path

import pytest
import torch
import yaml
from snakemake.cli import parse_args

from fbnet import paths
from fbnet.cli import cli
from fbnet.config.load import load_study
from tests.conftest import ROOT

PAGES = ("README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page, as GitHub and MkDocs derive them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_resolve(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    assert set(re.findall(r"\w+\.md", navigation)) == {path.name for path in (ROOT / "docs").glob("*.md")}


def test_every_run_and_study_is_documented():
    runs = yaml.safe_load((ROOT / "params/runs.yaml").read_text(encoding="utf-8"))["runs"]
    studies = [path.stem for path in (ROOT / "params/studies").glob("*.yaml")]
    named = re.findall(r"`(\w+)`", (ROOT / "docs/runs.md").read_text(encoding="utf-8"))
    assert {*runs, *studies} <= set(named)


def test_the_study_and_the_data_set_of_the_example_are_valid(project):
    page = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    command, description = re.findall(
        r"^```(?:yaml)?\n(.*?)^```", page.partition("## Your own data set")[2], re.M | re.S
    )[:2]
    assert len(command.splitlines()) == 10
    paths.DATASETS.mkdir()
    paths.dataset_file("streets").write_text(description)
    paths.study_file("streets").write_text(re.search(r"<<END\n(.*)END\n", command, flags=re.DOTALL).group(1))
    study = load_study("streets")
    assert study.data.labels.foreground == ("pole",)
    assert list(study.tables) == ["table_1"]


def test_the_readme_shows_the_table_of_the_pair():
    """Means, deviations, gains and intervals of mIoU and f-mIoU, as the study's table prints them."""
    table = (ROOT / "results/camvid_pretrained/tables/pair.md").read_text(encoding="utf-8")
    head, _, *rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    names = [name.strip() for name in head]
    values, spread, with_fbnet, its_spread, interval = (
        dict(zip(names, (cell.strip() for cell in row), strict=True)) for row in rows
    )
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for row, deviations in ((values, spread), (with_fbnet, its_spread)):
        cells = (f"{row[column]} ± {deviations[column]}" for column in ("mIoU", "f-mIoU"))
        assert f"| {row['Method']} | {' | '.join(cells)} |" in readme
    gains = (f"{with_fbnet[f'{column} gain']} {interval[f'{column} gain']}" for column in ("mIoU", "f-mIoU"))
    assert f"| gain [95 % interval] | {' | '.join(gains)} |" in readme
    assert f"{values['Seeds']} seeds" in readme


def commands(page: str, program: str) -> list[list[str]]:
    """Arguments of a program's commands in the code blocks of a page."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith(f"{program} ")]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page, "snakemake")])
def test_snakemake_understands_its_commands(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    for arguments in commands(page, "snakemake"):
        parse_args(arguments)


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page, "fbnet")])
def test_our_own_program_understands_its_commands(page):
    for name, *arguments in commands(page, "fbnet"):
        cli.commands[name].make_context(name, arguments)


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1300


@pytest.mark.parametrize("page", ["README.md", "docs/attach.md"])
def test_the_example_runs(page):
    example, *_ = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    values = {
        "loader": [(torch.randn(2, 3, 64, 96), torch.randint(0, 19, (2, 64, 96)))],
        "criterion": torch.nn.CrossEntropyLoss(ignore_index=255),
        "optimiser": torch.optim.SGD([torch.zeros(1, requires_grad=True)]),
    }
    exec(textwrap.dedent(example), values)
    assert values["result"].balance["backbone.layer4"].shape[2:] == (8, 12)
    assert values["loss"] > 0
    assert values["deployed"](values["images"])["out"].shape == (2, 19, 64, 96)
