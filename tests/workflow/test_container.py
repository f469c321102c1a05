"""Jobs in a container find nothing of the environment that Snakemake runs in.

Where Apptainer itself is installed, this does not use it: an image takes minutes to build. A program that stands in for
it removes the environment's folder from PATH, and has a `python` of its own.
"""

import os
import stat
import sys

import pytest

from tests.workflow.conftest import make_clone

pytestmark = pytest.mark.workflow
APPTAINER = """\
#!/bin/sh
[ "$1" = --version ] && exec echo "apptainer version 1.3.0"
echo "$@" >> {folder}/calls
while [ "$1" != fbnet.sif ]; do shift; done
shift
PATH={folder}/inside:/usr/bin:/bin exec "$@"
"""


def test_jobs_use_the_environment_of_their_image(tmp_path):
    clone = make_clone(tmp_path / "project")
    (tmp_path / "inside").mkdir()
    programs = {
        "apptainer": APPTAINER.format(folder=tmp_path),
        "inside/python": f'#!/bin/sh\nexec {sys.executable} "$@"\n',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(stat.S_IRWXU)
    (clone.folder / "fbnet.sif").touch()
    path = f"{tmp_path}{os.pathsep}{clone.variables['PATH']}"
    made = "results/toy/runs/fcn_r50/seed0/metrics.json"
    clone.run(*clone.command, "--sdm", "apptainer", "--apptainer-args=--nv", "--", made, PATH=path)
    calls = (tmp_path / "calls").read_text()
    assert calls.count("python -m fbnet") == 4  # two preparations, a training, an evaluation
    assert calls.count(" --nv ") == 4
    assert str(sys.prefix) not in calls
    assert clone.planned("--", made) == set()
