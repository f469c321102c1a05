"""Paths of all files; no other module spells these folders.

All are relative to the repository's root, except those in the user's cache folder.
"""

import os
from collections.abc import Iterable
from pathlib import Path

PARAMS = Path("params")
RUNS_FILE = PARAMS / "runs.yaml"
HARDWARE_FILE = PARAMS / "hardware.yaml"
STUDIES = PARAMS / "studies"
DATASETS = PARAMS / "datasets"
SLURM_PROFILE = Path("profiles/slurm/config.yaml")
REPORTED = PARAMS / "reported"
SERVER_SCORES = REPORTED / "server_scores.csv"
DATA = Path("data")
WEIGHTS = DATA / "weights"
PREPARE_RECORDS = DATA / "provenance/prepare"
RESULTS = Path("results")
LOGS = Path("logs")
WORK = Path("work")
BENCHMARKS = Path("benchmarks/results")
ARRAYS = ("images", "labels")
SAMPLES = "samples.npz"
NOT_PREPARED = ("raw", WEIGHTS.name, "provenance")
"""Folders of `data/` that hold no prepared data set."""


def study_file(study: str) -> Path:
    return STUDIES / f"{study}.yaml"


def dataset_file(dataset: str) -> Path:
    """Description of a data set of one's own."""
    return DATASETS / f"{dataset}.yaml"


def reported_file(table: str) -> Path:
    return REPORTED / f"{table}.csv"


def prepared_dir(packed: str) -> Path:
    """Folder of a packed split, whose name is `<dataset>/<split>-<key>`."""
    return DATA / packed


def manifest_file(packed: str) -> Path:
    return prepared_dir(packed) / "manifest.json"


def array_file(packed: str, kind: str) -> Path:
    """Packed images or labels of a split."""
    return prepared_dir(packed) / f"{kind}.npy"


def centroids_file(packed: str, tile: int) -> Path:
    """Class centroids of a packed split, for tiles of a size in pixels."""
    return prepared_dir(packed) / f"centroids_{tile}.npy"


def prepared_files(packed: str, arrays: Iterable[str] = ARRAYS) -> list[Path]:
    """All files of a packed split with these arrays, the manifest first."""
    return [manifest_file(packed), *(array_file(packed, kind) for kind in arrays)]


def weights_file(name: str) -> Path:
    """Downloaded file of initial weights, by its published name."""
    return WEIGHTS / name


def weights_record(entry: str) -> Path:
    """Record of the file that an entry of `training.initial_weights`, a path or a name, stands for."""
    return WEIGHTS / f"{Path(entry).name}.json"


def study_dir(study: str) -> Path:
    return RESULTS / study


def result_dir(study: str, run: str, seed: int) -> Path:
    """Folder of everything that one training of a run leaves behind."""
    return study_dir(study) / "runs" / run / f"seed{seed}"


def checkpoint_file(study: str, run: str, seed: int) -> Path:
    return result_dir(study, run, seed) / "model.pt"


def state_dir(study: str, run: str, seed: int) -> Path:
    """Folder of the states that an interrupted training resumes from."""
    return WORK / "states" / study / run / f"seed{seed}"


def history_file(study: str, run: str, seed: int) -> Path:
    return result_dir(study, run, seed) / "history.csv"


def metrics_file(study: str, run: str, seed: int, scales: str = "single_scale") -> Path:
    """Metrics of an evaluation at a single scale or at several."""
    return result_dir(study, run, seed) / ("metrics.json" if scales == "single_scale" else f"metrics_{scales}.json")


def camouflage_file(study: str, run: str, seed: int) -> Path:
    """Measurements of feature camouflage."""
    return result_dir(study, run, seed) / "camouflage.json"


def export_file(study: str, run: str, seed: int) -> Path:
    """Predictions for the Cityscapes test server."""
    return result_dir(study, run, seed) / "test_predictions.zip"


def samples_file(study: str, run: str, seed: int) -> Path:
    """Images, labels, predictions and balance maps of a few evaluation images, for the figures."""
    return result_dir(study, run, seed) / SAMPLES


def provenance_file(study: str, kind: str, name: str) -> Path:
    """Provenance record of a result; prepared data and their centroids belong to no study."""
    if kind == "prepare":
        return PREPARE_RECORDS / f"{name}.json"
    if kind == "centroids":
        packed, _, tile = name.rpartition("/")
        return centroid_records(packed) / f"{tile}.json"
    return study_dir(study) / "provenance" / kind / f"{name}.json"


def centroid_records(packed: str) -> Path:
    """Folder of the records of a packed split's centroids, one for each tile."""
    return DATA / "provenance/centroids" / packed


def raw_listing(packed: str) -> Path:
    """Times of the raw files that a split was packed from, on this machine."""
    return WORK / "raw" / f"{packed}.json"


def verified_note(host: str, path: Path) -> Path:
    """Note of the hash that a large file had when it was read last on a host."""
    return WORK / "verified" / host / f"{path.as_posix().replace('/', '__')}.json"


def estimate_file(key: str) -> Path:
    """Footprint of a training in the user's cache folder. Raises RuntimeError for a user without home."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "fbnet/estimates" / f"{key}.json"


def precision_note(study: str) -> Path:
    """Note of the precision that a study computes in, until its first result has a record."""
    return WORK / "precision" / f"{study}.json"


def training_benchmarks(hardware: str) -> list[Path]:
    """Measured training steps on a GPU, whose name may continue after a hyphen: `a100-sxm4-80gb`."""
    names = (f"training_step_{hardware}{rest}.json" for rest in ("", "-*"))
    return [path for name in names for path in sorted(BENCHMARKS.glob(name))]


def report_file(study: str) -> Path:
    """HTML page of a study."""
    return study_dir(study) / "report.html"


def table_files(study: str, table: str) -> list[Path]:
    return [study_dir(study) / "tables" / f"{table}.{suffix}" for suffix in ("csv", "md", "tex")]


def table_metrics_file(study: str, table: str) -> Path:
    """Measured numbers of a table, for `dvc metrics`."""
    return study_dir(study) / "metrics" / f"{table}.json"


def figure_files(study: str, figure: str) -> list[Path]:
    return [study_dir(study) / "figures" / f"{figure}.{suffix}" for suffix in ("png", "svg")]
