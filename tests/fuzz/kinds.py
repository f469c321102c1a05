"""Every kind of file that comes from outside: valid ones as the project makes them, and what reads them."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import yaml
from hypothesis import strategies as st
from PIL import Image

from fbnet import paths
from fbnet.audit import checks
from fbnet.audit.chain import make_chain, read_records
from fbnet.config.dataset_files import find_dataset
from fbnet.config.datasets import DataConfig
from fbnet.config.labels import CITYSCAPES
from fbnet.config.load import load_hardware, load_runs, load_study
from fbnet.config.study import Study
from fbnet.data import raw_changes as raw
from fbnet.data.centroids import open_centroids, write_centroids
from fbnet.data.images import read_image, read_labels, read_stored_image
from fbnet.data.packed import open_split
from fbnet.data.prepare import prepare
from fbnet.data.readers.mapillary import label_spec
from fbnet.data.readers.mapillary_labels import V1_2
from fbnet.evaluation.evaluate import evaluate
from fbnet.evaluation.submission import check_submission
from fbnet.models import checkpoint
from fbnet.models import weight_files as weights
from fbnet.models.backbones.resnet import ResNet
from fbnet.models.build import build
from fbnet.models.pretrained import load_initial_weights
from fbnet.planning.disk import data_bytes
from fbnet.planning.plan import make_plan
from fbnet.planning.rates import load_rates
from fbnet.provenance import graph
from fbnet.provenance.recording import recording
from fbnet.report import curves, records
from fbnet.report.histories import read_history
from fbnet.report.reported import read_reported
from fbnet.report.results import read_metrics, require_samples
from fbnet.report.server_scores import HEADER, read_server_scores
from fbnet.training.history import EpochRecord, History
from tests.conftest import ROOT, TOY
from tests.fuzz.mutations import checked_png, checked_zip, damaged, odd_checkpoint, odd_json, odd_yaml
from tests.own_data import STREETS, describe, make_streets

RUN = "fcn_r50_fbnet"
WIDTH = 0.0625
TILE = 32
CAMVID = DataConfig(dataset="camvid", root="camvid", train="train", evaluate="train")
SUBMISSION = {"ulm_000000_000019": (16, 32), "ulm_000001_000019": (16, 32)}


@dataclass(frozen=True)
class Kind:
    """One kind of file."""

    name: str
    place: Path
    """Path at which the file is read."""
    read: Callable[[], object]
    """All that reads it."""
    inputs: st.SearchStrategy[bytes]


def make_project() -> None:
    """Puts a project with everything that can be read into the working folder: prepared, trained and evaluated."""
    shutil.copytree(ROOT / "params", "params")
    study = yaml.safe_load(yaml.safe_dump(TOY))
    study["data"]["cityscapes"]["synthetic"] |= {"height": 32, "width": 64, "images": {"train": 2, "val": 1}}
    study |= {"width": WIDTH, "seeds": [0]}
    paths.study_file("toy").write_text(yaml.safe_dump(study))
    toy = load_study("toy")
    for split in toy.data.splits:
        with recording(graph.build_graph(toy), graph.prepared(toy, "cityscapes", split)):
            prepare(toy.data, split)
    write_centroids(toy.data, "train", TILE)
    _make_network(toy)
    with recording(graph.build_graph(toy), graph.of_run("evaluate", RUN, 0)):
        evaluate(toy, toy.run(RUN), 0, torch.device("cpu"))
    _make_camvid()
    _make_streets()
    _make_others(toy)


def make_kinds() -> tuple[Kind, ...]:
    """The kinds of file of the project in the working folder."""
    study, backbone = load_study("toy"), ResNet("resnet50", width=WIDTH)
    table = load_runs().tables["table_1"]
    checkpoint_file = paths.checkpoint_file("toy", RUN, 0)
    record = paths.provenance_file("toy", "evaluate", f"{RUN}/seed0")
    manifest, _, array = study.data.prepared_files("train")
    label, images = _read_all("label.png", "palette.png"), _read_all("image.png", "alpha.png")
    return (
        Kind("label map", Path("label.png"), lambda: read_labels(Path("label.png"), CITYSCAPES), _png(label)),
        Kind("label map, RGB", Path("rgb.png"), _read_colours(), _png(_read_all("rgb.png"))),
        Kind("image, PNG", Path("image.png"), lambda: _read_pixels("image.png"), _png(images)),
        Kind("image, JPEG", Path("image.jpg"), lambda: _read_pixels("image.jpg"), _plain("image.jpg", "turned.jpg")),
        Kind("image, WebP", Path("image.webp"), lambda: _read_pixels("image.webp"), _plain("image.webp")),
        Kind("runs.yaml", paths.RUNS_FILE, _plan, _yaml(paths.RUNS_FILE)),
        Kind("study", paths.study_file("toy"), _plan, _yaml(ROOT / paths.study_file("demo"))),
        Kind("data set", paths.dataset_file("streets"), _read_streets, _yaml(paths.dataset_file("streets"))),
        Kind("list of a split", Path("streets/val.txt"), _read_streets, _plain("streets/val.txt")),
        Kind("hardware.yaml", paths.HARDWARE_FILE, load_hardware, _yaml(paths.HARDWARE_FILE)),
        _benchmark(),
        Kind("manifest", manifest, lambda: _read_packed(study), _json(manifest)),
        Kind("packed array", array, lambda: _read_packed(study), _plain(array)),
        _centroids(study),
        _raw_listing(),
        Kind(
            "Mapillary's config", Path("config.json"), lambda: label_spec(Path(), "train"), _json(Path("config.json"))
        ),
        Kind("checkpoint", checkpoint_file, lambda: checkpoint.load(checkpoint_file), _pickle(checkpoint_file)),
        Kind(
            "initial weights",
            Path("r50.pth"),
            lambda: load_initial_weights(backbone, Path("r50.pth")),
            st.one_of(_pickle(Path("r50.pth")), _plain("old.pth")),
        ),
        _weights_record(),
        _metrics(study),
        _samples(study),
        Kind("provenance", record, lambda: _read_records(study), _json(record)),
        Kind("history", Path("history.csv"), lambda: _draw_history(Path("history.csv")), _plain("history.csv")),
        _text("reported numbers", paths.reported_file("table_1"), lambda: read_reported("table_1", table)),
        _text("server's scores", paths.SERVER_SCORES, lambda: read_server_scores(study)),
        Kind(
            "zip for the server",
            Path("test.zip"),
            lambda: check_submission(Path("test.zip"), SUBMISSION),
            st.one_of(_plain("test.zip"), checked_zip(Path("test.zip").read_bytes())),
        ),
    )


def _make_network(study: Study) -> None:
    """A checkpoint as `fbnet train` leaves it, of a network that nobody trained."""
    config = checkpoint.CheckpointConfig(
        study="toy",
        run=study.run(RUN),
        seed=0,
        dataset=study.data.dataset,
        width=WIDTH,
        training=study.training_of(RUN),
        iterations=1,
        torch_version=str(torch.__version__),
    )
    checkpoint.save(paths.checkpoint_file("toy", RUN, 0), build(study.run(RUN), CITYSCAPES, width=WIDTH), config)


def _make_camvid() -> None:
    """Prepared data of two files, one of another time than when they were prepared."""
    for folder, pixels in (("train", np.zeros((8, 8, 3), np.uint8)), ("trainannot", np.zeros((8, 8), np.uint8))):
        Path("camvid", folder).mkdir(parents=True)
        Image.fromarray(pixels).save(Path("camvid", folder, "a.png"))
    prepare(CAMVID, "train")
    raw.keep_listing(CAMVID, "train", raw.list_files(CAMVID, "train"))
    Path("camvid/train/a.png").touch()


def _make_streets() -> None:
    """A data set of one's own, one of whose splits is a list."""
    make_streets(Path("streets"), train=2, val=2)
    Path("streets/val.txt").write_text("".join(f"val_00{index}\n" for index in range(2)))
    globs = {"images": "images/val/*.png", "labels": "labels/val/*.png"}
    describe(
        Path(), splits=STREETS["splits"] | {"val": globs | {"list": "val.txt"}}, tile=8, ignore={"rgb": [[0, 0, 0]]}
    )
    shutil.copy("streets/labels/train/train_000.png", "rgb.png")


def _make_others(study: Study) -> None:
    split = open_split(study.data, "train")
    image, label = Image.fromarray(split.image(0)), Image.fromarray(split.labels(0) % 19 + 7)
    label.save("label.png")
    label.putpalette(bytes(range(256)) * 3)
    label.save("palette.png")
    image.save("image.png")
    image.convert("RGBA").save("alpha.png")
    image.save("image.jpg")
    turned = Image.Exif()
    turned[0x0112] = 6
    image.save("turned.jpg", exif=turned)
    image.save("image.webp")
    Path("config.json").write_text(json.dumps({"labels": [{"name": name} for name in V1_2]}))
    state = ResNet("resnet50", width=WIDTH).state_dict()
    torch.save(state, "r50.pth")
    torch.save(state, "old.pth", _use_new_zipfile_serialization=False)
    weights.record("r50.pth")
    history = History(1, 2, "toy")
    history.records = [EpochRecord(epoch, epoch, 0.01, 2.5, 2.0, 0.5, 3.0) for epoch in (1, 2)]
    history.write(Path("history.csv"))
    score = "paper,deeplabv3plus_r101_fbnet_trainval,0,81.2,2024-05-01"
    paths.SERVER_SCORES.write_text(f"{','.join(HEADER)}\n{score}\n")
    paths.BENCHMARKS.mkdir(parents=True)
    rates = {"step, R101": 2.5e14, "step, R101, compiled": 3e14}
    settings = {"precision": "bfloat16", "operations_per_second": rates}
    (paths.BENCHMARKS / "training_step_h100.json").write_text(json.dumps({"settings": settings}))
    with zipfile.ZipFile("test.zip", "w") as archive:
        for name, size in SUBMISSION.items():
            buffer = io.BytesIO()
            Image.fromarray(np.full(size, 7, dtype=np.uint8)).save(buffer, "PNG")
            archive.writestr(f"{name}_labelIds.png", buffer.getvalue())


def _centroids(study: Study) -> Kind:
    path, packed = paths.centroids_file(study.data.packed_name("train"), TILE), open_split(study.data, "train")
    return Kind("centroids", path, lambda: open_centroids(study.data, "train", TILE, packed), _plain(path))


def _raw_listing() -> Kind:
    path, digest = paths.raw_listing(CAMVID.packed_name("train")), raw.digest(raw.list_files(CAMVID, "train"))
    return Kind("times of raw files", path, lambda: raw.changes(CAMVID, "train", digest), _json(path))


def _weights_record() -> Kind:
    path = paths.weights_record("r50.pth")
    return Kind("record of weights", path, lambda: (weights.summary(path), weights.verified("r50.pth")), _json(path))


def _benchmark() -> Kind:
    machine, path = load_hardware(), paths.BENCHMARKS / "training_step_h100.json"
    return Kind("benchmark", path, lambda: load_rates(machine), _json(path))


def _metrics(study: Study) -> Kind:
    path = paths.metrics_file("toy", RUN, 0)
    declared = {graph.of_run("evaluate", RUN, 0): graph.build_graph(study)[graph.of_run("evaluate", RUN, 0)]}
    return Kind("metrics", path, lambda: (checks.metrics(study, declared), read_metrics(study, RUN, 0)), _json(path))


def _samples(study: Study) -> Kind:
    path = paths.samples_file("toy", RUN, 0)
    inputs = st.one_of(_plain(path), checked_zip(path.read_bytes()))
    return Kind("samples", path, lambda: require_samples(study, RUN, 0), inputs)


def _text(name: str, path: Path, read: Callable[[], object]) -> Kind:
    return Kind(name, path, read, _plain(path))


def _read_pixels(name: str) -> None:
    read_image(Path(name))
    read_stored_image(Path(name))


def _plan() -> None:
    study = load_study("toy")
    graph.build_graph(study)
    make_plan(replace(study))


def _read_streets() -> None:
    data = DataConfig(dataset="streets", train="train", evaluate="val")
    for split in data.splits:
        raw.list_files(data, split)
        data.preparation(split)


def _read_colours() -> Callable[[], object]:
    labels = find_dataset("streets").labels
    return lambda: read_labels(Path("rgb.png"), labels)


def _read_packed(study: Study) -> None:
    make_plan(study)
    data_bytes(study.data)
    split = open_split(study.data, "train")
    for index in range(len(split)):
        split.image(index).max()
        split.labels(index).max()


def _read_records(study: Study) -> None:
    results = graph.build_graph(study).needed()
    found, _ = read_records(study, results)
    make_chain(study, results, found)
    records.entries(study)


def _draw_history(path: Path) -> None:
    history = read_history(path)
    if history:
        curves.draw_curves({0: history}, curves.loss_range([history]))


def _read_all(*names: str | Path) -> tuple[bytes, ...]:
    return tuple(Path(name).read_bytes() for name in names)


def _plain(*names: str | Path) -> st.SearchStrategy[bytes]:
    return damaged(_read_all(*names))


def _png(contents: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    return st.one_of(damaged(contents), checked_png(contents))


def _json(path: Path) -> st.SearchStrategy[bytes]:
    return st.one_of(_plain(path), odd_json(path.read_bytes()))


def _yaml(path: Path) -> st.SearchStrategy[bytes]:
    return st.one_of(_plain(path), odd_yaml(path.read_bytes()))


def _pickle(path: Path) -> st.SearchStrategy[bytes]:
    content = path.read_bytes()
    return st.one_of(_plain(path), checked_zip(content), odd_checkpoint(content))
