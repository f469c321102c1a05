"""The page as Chromium shows it. CHROMIUM names the browser; else one is looked for on the PATH."""

import html
import json
import os
import re
import shutil
import subprocess

import pytest

from fbnet.report.figures import write_figure
from fbnet.report.page import write_page
from tests.made_up_results import write_metrics
from tests.report.test_page import write_pair

BROWSER = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium; install one or name it in CHROMIUM")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# Measured in a copy of the page, as the page itself lets no script run.
LISTEN = (
    "<script>const refused = []; addEventListener('securitypolicyviolation', e => refused.push(e.blockedURI));</script>"
)
MEASURE = """<script>addEventListener('load', () => {
  const found = {
    refused,
    fetched: performance.getEntriesByType('resource').map(entry => entry.name.slice(0, 60)),
    images: [...document.images].map(image => [image.alt, image.naturalWidth, image.getBoundingClientRect().width]),
    rows: [...document.querySelectorAll('#table_2 tbody tr')].map(
      row => [...row.cells].map(cell => cell.innerText.trim())),
    runs: [...document.querySelectorAll('#runs tbody th')].map(cell => cell.getBoundingClientRect().width),
    page: document.documentElement.scrollWidth,
    window: innerWidth,
    scrolling: [...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth).length,
  };
  document.body.dataset.found = JSON.stringify(found);
});</script>"""


@pytest.fixture
def page(trio):
    """A study with a table, a figure and training curves."""
    write_pair(trio)
    for run in (trio.figure_runs.baseline, trio.figure_runs.fbnet):
        write_metrics(trio, run, 0)
    write_figure(trio, "figure_2")
    return write_page(trio)


def browse(page, folder, *, width):
    """Measurements of a page in a window `width` pixels wide."""
    text = page.read_text()
    assert POLICY in text
    measured = folder / "measured.html"
    text = text.replace(POLICY, f"{POLICY}; script-src 'unsafe-inline'")
    text = text.replace('<link rel="icon"', f'{LISTEN}<link rel="icon"')
    measured.write_text(text.replace("</body>", f"{MEASURE}</body>"))
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},900", "--virtual-time-budget=20000", "--dump-dom", measured.resolve().as_uri(),
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(html.unescape(re.search(r'data-found="([^"]*)"', result.stdout)[1]))


def test_everything_is_there_and_nothing_is_fetched(page, tmp_path):
    found = browse(page, tmp_path, width=1400)
    assert found["refused"] == []
    assert [name for name in found["fetched"] if not name.startswith("data:")] == []
    alternatives = [image[0] for image in found["images"]]
    assert "Figure 2: Confusion matrix of the baseline" in alternatives
    assert sum(text.startswith("Loss of ") for text in alternatives) == 2
    assert all(natural > 0 and shown > 200 for _, natural, shown in found["images"])
    assert len(found["runs"]) > 20
    assert min(found["runs"]) > 40


def test_the_tables_numbers_are_what_is_shown(page, tmp_path):
    rows = browse(page, tmp_path, width=1400)["rows"]
    ours = {row[0].replace("\n", " "): row[1:] for row in rows if "ours" in row[0]}
    baseline = next(cells for head, cells in ours.items() if head.split() == ["PSPNet", "ours"])
    modulated = next(cells for head, cells in ours.items() if head.split() == ["PSPNet", "+", "FBNet", "ours"])
    assert baseline[:3] == ["3", "42.0 ± 2.0", "–"]
    assert modulated[1:3] == ["45.0 ± 3.5", "+3.0 ± 2.0 [−2.0, +8.0]"]
    assert next(row[2] for row in rows if "paper" in row[0]) == "79.3"


def test_a_narrow_window_scrolls_tables_and_not_the_page(page, tmp_path):
    found = browse(page, tmp_path, width=500)
    assert found["window"] <= 500
    assert found["page"] <= found["window"]
    assert found["scrolling"] >= 2  # the table and the list of runs
