"""Results and records that are not as they were written: refused by the file, whatever stands in them."""

import json
import zipfile

import numpy as np
import pytest

from fbnet import paths
from fbnet.errors import InputError
from fbnet.provenance.graph import build_graph, of_run
from fbnet.provenance.recording import recording
from fbnet.report import records
from fbnet.report.histories import read_history
from fbnet.report.reported import read_reported
from fbnet.report.results import read_metrics, require_samples
from fbnet.report.server_scores import HEADER, read_server_scores
from tests.made_up_results import street, write_metrics, write_samples

RUN = "fcn_r50"


def change(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


class TestMetrics:
    @pytest.mark.parametrize(
        "content",
        ["", "[]", "[" * 100_000, '{"gflops": 1e999}', '{"gflops": NaN}', f'{{"iterations": {2**64}}}', "\udcff"],
    )
    def test_no_json(self, demo, content):
        path = write_metrics(demo, RUN, 0)
        path.write_bytes(content.encode(errors="surrogateescape"))
        with pytest.raises(InputError, match=r"^results/demo/runs/fcn_r50/seed0/metrics\.json: .*; evaluate again"):
            read_metrics(demo, RUN, 0)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("gflops", "10"),
            ("miou", 1.5),
            ("iou", []),
            ("confusion_matrix", [[-1] * 19] * 19),
            ("confusion_matrix", [[0.5] * 19] * 19),
            ("confusion_matrix", 3),
        ],
    )
    def test_other_values(self, demo, key, value):
        change(write_metrics(demo, RUN, 0), **{key: value})
        with pytest.raises(InputError, match=rf"metrics\.json: {key}: .*; evaluate again"):
            read_metrics(demo, RUN, 0)

    def test_a_folder(self, demo):
        path = write_metrics(demo, RUN, 0)
        path.unlink()
        path.mkdir()
        assert read_metrics(demo, RUN, 0) is None


class TestSamples:
    def member(self, path, name, content):
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, content)

    @pytest.mark.parametrize(
        "changes",
        [
            {"names": np.array(["../x"])},
            {"names": np.array([3])},
            {"names": np.array([], dtype="<U1")},
            {"image_0": np.zeros((48, 96, 3))},
            {"label_0": np.full((48, 96), 19, np.uint8)},
            {"prediction_0": np.zeros((48, 95), np.uint8)},
            {"label_0": np.zeros((0, 0), np.uint8), "prediction_0": np.zeros((0, 0), np.uint8)},
            {"balance_0": np.full((6, 12), np.nan, np.float32)},
            {"balance_0": np.zeros(3, np.float32)},
        ],
    )
    def test_other_arrays(self, demo, changes):
        path = write_samples(demo, RUN, 0, [street(0) % 19], [street(0)])
        np.savez(path, **(dict(np.load(path)) | changes))
        with pytest.raises(InputError, match=r"samples\.npz: damaged .*; evaluate again"):
            require_samples(demo, RUN, 0)

    def test_a_header_of_more_than_there_is(self, demo):
        path = write_samples(demo, RUN, 0, [street(0) % 19], [street(0)])
        arrays = dict(np.load(path))
        del arrays["image_0"]
        np.savez(path, **arrays)
        header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 1000000, 3), }"
        header = header.ljust(117) + b"\n"
        self.member(path, "image_0.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        with pytest.raises(InputError, match=r"samples\.npz: damaged \(image_0\.npy: its header does not fit"):
            require_samples(demo, RUN, 0)

    def test_objects_are_not_unpickled(self, demo):
        path = write_samples(demo, RUN, 0, [street(0) % 19], [street(0)])
        np.savez(path, **(dict(np.load(path)) | {"names": np.array([{}], dtype=object)}))
        with pytest.raises(InputError, match=r"samples\.npz: damaged \(names\.npy: its header does not fit"):
            require_samples(demo, RUN, 0)


class TestRecords:
    @pytest.fixture
    def record(self, demo):
        result = of_run("evaluate", RUN, 0)
        with recording(build_graph(demo), result):
            write_metrics(demo, RUN, 0)
            write_samples(demo, RUN, 0, [street(0) % 19], [street(0)])
        return paths.provenance_file("demo", "evaluate", f"{RUN}/seed0")

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"ended": "yesterday"}, "ended: must be a time with its zone"),
            ({"started": "2024-05-01T00:00:00"}, "started: must be a time with its zone"),
            ({"outputs": {"../../etc/passwd": "0"}}, "outputs: and files must lie in the repository"),
            ({"files": {"/etc/passwd": "0"}}, "outputs: and files must lie in the repository"),
            ({"outputs": {"x" * 300: "0"}}, "outputs: and files must lie in the repository"),
            ({"environment": {"threads": "2"}}, "environment: threads must be from 1"),
            ({"environment": {"threads": 10**9}}, "environment: threads must be from 1"),
            ({"environment": {"torch": 2}}, "environment: must hold words"),
            ({"git_commit": "\ud800"}, "surrogates not allowed"),
            ({"parameters": json.loads("[" * 40 + "]" * 40)}, "nested deeper than 32"),
            ({"accepted": [{"at": 1}]}, "accepted"),
        ],
    )
    def test_other_values(self, demo, record, changes, problem):
        records.entries(demo)
        change(record, **changes)
        with pytest.raises(InputError, match=rf"^{record}: .*{problem}.*; delete it"):
            records.entries(demo)

    @pytest.mark.parametrize("content", ["", "[]", "[" * 100_000])
    def test_no_json(self, demo, record, content):
        record.write_text(content)
        with pytest.raises(InputError, match=rf"^{record}: .+; delete it"):
            records.entries(demo)


HISTORY = "epoch,iteration,learning_rate,loss,segmentation_loss,balance_loss,seconds"


@pytest.mark.parametrize("cell", ["9" * 400, "9" * 5000, "1e300", "nan", "", "x" * 200_000, "1,1"])
def test_a_history_of_other_numbers(tmp_path, cell):
    path = tmp_path / "history.csv"
    path.write_text(f"{HISTORY}\n1,1,0.1,{cell},1,1,1\n")
    with pytest.raises(InputError, match=r"history\.csv: not a history .*; delete it and train again"):
        read_history(path)


@pytest.mark.parametrize("content", ["x" * 200_000 + ",1", "\udcff", '"'])
def test_numbers_of_the_paper_that_are_no_csv(demo, content):
    path = paths.reported_file("table_2")
    text = path.read_text().splitlines()[0] + "\n" + content
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"^params/reported/table_2\.csv: "):
        read_reported("table_2", demo.tables["table_2"])


@pytest.mark.parametrize(
    "line", ["paper,deeplabv3plus_r101_fbnet_trainval,{},80,2024-05-01".format("1" * 5000), "../x,r,0,80,2024-05-01"]
)
def test_scores_of_impossible_seeds_and_studies(demo, line):
    paths.SERVER_SCORES.write_text(f"{','.join(HEADER)}\n{line}\n")
    with pytest.raises(InputError, match=r"^params/reported/server_scores\.csv: line 2: "):
        read_server_scores(demo)
