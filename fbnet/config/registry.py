"""Registries: one entry for each dataset, backbone, head and figure that `params/` can name.

An entry holds every fact about its name. It gives its implementation as a dotted module, with `:` before a name in it,
which is imported where it is used (`pkgutil.resolve_name`); so choosing one imports none of the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fbnet.config.labels import BDD100K, CAMVID, CITYSCAPES, LabelSpec


@dataclass(frozen=True, kw_only=True)
class DatasetEntry:
    """A dataset that a study can name."""

    reader: str
    """Module with functions `raw_paths` and `pairs` of a root and a split, and `label_spec` if the data themselves say
    which ids their label maps hold."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Keyword arguments for the reader's functions."""
    labels: LabelSpec = CITYSCAPES
    labelled: bool = True
    """False if a test server keeps the labels."""
    images: Mapping[str, int] = field(default_factory=dict)
    """Published number of images of each split."""
    size: tuple[int, int] | None = None
    """Published height and width of the images."""
    root_variable: str | None = None
    """Environment variable that overrides the folder of the raw data."""
    label_files: str | None = None
    """Pattern of the label files that `fbnet score` compares with; None if it cannot score the dataset."""
    image_name: str | None = None
    """Regular expression of the beginning of a file name that pairs label files; None for the whole stem."""
    layout: str | None = None
    """Layout in which synthetic scenes are written; None if nothing is drawn."""
    scene_writer: str | None = None
    """Function that draws the scenes."""
    scene_splits: tuple[str, ...] = ()
    """Splits of the synthetic scenes, named as the folders of the real dataset."""


@dataclass(frozen=True, kw_only=True)
class BackboneEntry:
    """A backbone that a run can name."""

    implementation: str
    """Class, see `fbnet.models.backbones.build.Backbone`."""
    title: str
    """Name in tables."""
    stems: tuple[str, ...] = ("deep",)
    torchvision: str | None = None
    """Model of torchvision whose weights fit the plain stem."""
    downloads: Mapping[str, str] = field(default_factory=dict)
    """URLs of files of ImageNet weights by file name; no hash of them is published."""


@dataclass(frozen=True, kw_only=True)
class HeadEntry:
    """A segmentation head that a run can name."""

    implementation: str


@dataclass(frozen=True, kw_only=True)
class FigureEntry:
    """A figure of the paper."""

    implementation: str
    """Function of a study and a title that draws it."""


_CITYSCAPES = "fbnet.data.readers.cityscapes"
_BDD100K = "fbnet.data.readers.bdd100k"
_MAPILLARY = "fbnet.data.readers.mapillary"
_CSAIL = "http://sceneparsing.csail.mit.edu/model/pretrained_resnet"


def _synthetic(layout: str, *splits: str, **entry: object) -> DatasetEntry:
    return DatasetEntry(
        layout=f"fbnet.data.synthetic.layouts:{layout}",
        scene_writer="fbnet.data.synthetic.write:write_scenes",
        scene_splits=splits,
        **entry,
    )


DATASETS: dict[str, DatasetEntry] = {
    "synthetic": _synthetic("CITYSCAPES_FINE", "train", "val", reader=_CITYSCAPES, options={"annotation": "gtFine"}),
    "synthetic_test": _synthetic(
        "CITYSCAPES_FINE", "test", reader=_CITYSCAPES, options={"annotation": None}, labelled=False
    ),
    "synthetic_coarse": _synthetic(
        "CITYSCAPES_COARSE", "train_extra", reader=_CITYSCAPES, options={"annotation": "gtCoarse"}
    ),
    "synthetic_bdd100k": _synthetic("BDD100K", "train", "val", reader=_BDD100K, labels=BDD100K),
    "synthetic_mapillary": _synthetic("MAPILLARY", "training", "validation", reader=_MAPILLARY),
    "cityscapes": DatasetEntry(
        reader=_CITYSCAPES,
        options={"annotation": "gtFine"},
        images={"train": 2975, "val": 500},
        size=(1024, 2048),
        root_variable="CITYSCAPES_ROOT",
        label_files="*_gtFine_labelIds.png",
        image_name=r"[^_]+_\d+_\d+",
    ),
    "cityscapes_test": DatasetEntry(
        reader=_CITYSCAPES,
        options={"annotation": None},
        labelled=False,
        images={"test": 1525},
        size=(1024, 2048),
        root_variable="CITYSCAPES_ROOT",
    ),
    "cityscapes_coarse": DatasetEntry(
        reader=_CITYSCAPES,
        options={"annotation": "gtCoarse"},
        images={"train_extra": 19998},
        size=(1024, 2048),
        root_variable="CITYSCAPES_ROOT",
    ),
    "bdd100k": DatasetEntry(
        reader=_BDD100K,
        labels=BDD100K,
        images={"train": 7000, "val": 1000},
        size=(720, 1280),
        root_variable="BDD100K_ROOT",
    ),
    # Its labels are translated to those of Cityscapes, whose ids are those of predictions as well.
    "mapillary": DatasetEntry(
        reader=_MAPILLARY,
        images={"training": 18000, "validation": 2000},
        size=(2580, 3440),  # sizes differ; these 8.9 million pixels are about their mean
        root_variable="MAPILLARY_ROOT",
    ),
    "camvid": DatasetEntry(
        reader="fbnet.data.readers.camvid",
        labels=CAMVID,
        images={"train": 367, "val": 101, "test": 233},
        size=(360, 480),  # of the SegNet split
        root_variable="CAMVID_ROOT",
        label_files="*.png",
    ),
}
BACKBONES: dict[str, BackboneEntry] = {
    "resnet50": BackboneEntry(
        implementation="fbnet.models.backbones.resnet:ResNet",
        title="ResNet-50",
        stems=("deep", "plain"),
        torchvision="resnet50",
        downloads={"resnet50-imagenet.pth": f"{_CSAIL}/resnet50-imagenet.pth"},
    ),
    "resnet101": BackboneEntry(
        implementation="fbnet.models.backbones.resnet:ResNet",
        title="ResNet-101",
        stems=("deep", "plain"),
        torchvision="resnet101",
        downloads={"resnet101-imagenet.pth": f"{_CSAIL}/resnet101-imagenet.pth"},
    ),
    "wider_resnet38": BackboneEntry(
        implementation="fbnet.models.backbones.wider_resnet:WiderResNet",
        title="WiderResNet38",
    ),
}
HEADS: dict[str, HeadEntry] = {
    "fcn": HeadEntry(implementation="fbnet.models.heads.fcn:FCNHead"),
    "fcn_plain": HeadEntry(implementation="fbnet.models.heads.fcn:PlainFCNHead"),
    "pspnet": HeadEntry(implementation="fbnet.models.heads.pspnet:PSPNetHead"),
    "deeplabv3plus": HeadEntry(implementation="fbnet.models.heads.deeplabv3plus:DeepLabv3PlusHead"),
}
FIGURES: dict[str, FigureEntry] = {
    "figure_1": FigureEntry(implementation="fbnet.report.predictions:draw"),
    "figure_2": FigureEntry(implementation="fbnet.report.confusion:draw"),
    "figure_7": FigureEntry(implementation="fbnet.report.balance_maps:draw"),
}
