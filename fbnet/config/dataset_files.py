"""Datasets of one's own: the contents of `params/datasets/<name>.yaml`, which describe a dataset without any code."""

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Self

from pydantic import AfterValidator, Field, PositiveInt, Strict, model_validator

from fbnet import paths
from fbnet.config.base import Config, Items, PathText, Word, refuse, validating
from fbnet.config.labels import IGNORE_INDEX, LabelSpec
from fbnet.config.registry import DATASETS, DatasetEntry, FileNames, SplitFiles
from fbnet.errors import InputError
from fbnet.io.yaml_file import read_yaml
from fbnet.names import is_word


def _check_inner(text: str) -> str:
    parts = PurePosixPath(text).parts
    if not parts or parts[0] == "/" or ".." in parts:
        raise refuse(f"must be a path below the root, not {text!r}")
    return text


def _check_glob(text: str) -> str:
    if any("**" in part and part != "**" for part in PurePosixPath(_check_inner(text)).parts):
        raise refuse(f"must have ** between slashes, such as images/**/*.png, not {text!r}")
    return text


def _check_pattern(text: str) -> str:
    try:
        groups = re.compile(text).groups
    except (re.error, OverflowError, RecursionError) as error:
        raise refuse(f"must be a regular expression, not {text!r} ({error})") from None
    if not groups:
        raise refuse(f"must have a group, such as in (.+)_labels, not {text!r}; the groups are the name")
    return text


MAX_FOREGROUND = 62
"""Foreground classes that the block-wise loss can tell apart, see `fbnet.models.block_loss`."""
Byte = Annotated[int, Field(ge=0, le=255)]
Colour = Annotated[tuple[Byte, Byte, Byte], Strict(False)]
"""Red, green and blue."""
ClassName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.()/+-]{0,59}$")]
Glob = Annotated[PathText, AfterValidator(_check_glob)]
Pattern = Annotated[str, Field(max_length=500), AfterValidator(_check_pattern)]


class RawValues(Config):
    """Values of label maps: ids, or colours of RGB pictures."""

    ids: Items[Byte] = ()
    """Ids, in label maps of one channel."""
    rgb: Items[Colour] = ()
    """Colours, in label maps that are RGB pictures."""


class ClassConfig(RawValues):
    """A class, and the values that stand for it in label maps."""

    colour: Colour
    """Its colour in pictures of predictions and in figures."""


class LabelSetConfig(Config):
    """Classes of a dataset."""

    classes: Annotated[dict[ClassName, ClassConfig], Field(min_length=1, max_length=IGNORE_INDEX)]
    """Classes by name, in the order of their train ids. If none has `ids` or `rgb`, label maps hold these train ids,
    counted from 0."""
    ignore: RawValues = RawValues()
    """Values of pixels that count for nothing."""
    foreground: Annotated[Items[str], Field(min_length=1, max_length=MAX_FOREGROUND)]
    """Foreground classes: those that FBNet is to bring out, and that f-mIoU is the mean of."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for position, name in enumerate(self.foreground):
            if name not in self.classes:
                raise refuse(f"no class {name!r}; choose from {', '.join(self.classes)}", "foreground")
            if name in self.foreground[:position]:
                raise refuse(f"{name!r} comes twice; name each class once", "foreground")
        columns = {}
        for name in self.classes:
            if (other := columns.setdefault(name.replace(" ", "_"), name)) != name:
                raise refuse(f"{name!r} and {other!r} would share a column of tables; rename one", "classes")
        if self.is_rgb:
            self._check_kind("rgb", "ids")
        elif any(entry.ids for entry in self.classes.values()):
            self._check_kind("ids", "rgb")
        self._check_values()
        return self

    @property
    def is_rgb(self) -> bool:
        """True if label maps are RGB pictures."""
        return next((bool(entry.rgb) for entry in self.classes.values() if entry.rgb or entry.ids), False)

    @property
    def raw_values(self) -> dict[int | tuple[int, int, int], int]:
        """Train id, or `IGNORE_INDEX`, of each value that label maps may hold."""
        kind = "rgb" if self.is_rgb else "ids"
        counted = not any(getattr(entry, kind) for entry in self.classes.values())
        values = {
            value: train_id
            for train_id, entry in enumerate(self.classes.values())
            for value in ([train_id] if counted else getattr(entry, kind))
        }
        return values | dict.fromkeys(getattr(self.ignore, kind), IGNORE_INDEX)

    def spec(self, name: str) -> LabelSpec:
        """Return the classes as the rest of the package takes them."""
        return LabelSpec(
            name=name,
            classes=tuple(self.classes),
            palette=tuple(entry.colour for entry in self.classes.values()),
            background=frozenset(self.classes) - frozenset(self.foreground),
            raw_ids={} if self.is_rgb else self.raw_values,
            raw_colours=self.raw_values if self.is_rgb else None,
        )

    def _check_kind(self, kind: str, other: str) -> None:
        """Check that all values are of one kind and that every class has some."""
        parts = {f"classes.{name}": entry for name, entry in self.classes.items()}
        for key, entry in {**parts, "ignore": self.ignore}.items():
            if getattr(entry, other):
                raise refuse(f"label maps hold either ids or colours; give {kind} here, too", f"{key}.{other}")
            if key != "ignore" and not getattr(entry, kind):
                raise refuse(f"is missing, as other classes have it; give its {kind}", f"{key}.{kind}")

    def _check_values(self) -> None:
        """Check that no value stands for two classes, or for a class and ignored pixels."""
        kind, owners = "rgb" if self.is_rgb else "ids", {}
        if not self.is_rgb and self.ignore.rgb:
            raise refuse("label maps hold ids; give ids here, too", "ignore.rgb")
        given = [(f"classes.{name}.{kind}", getattr(entry, kind)) for name, entry in self.classes.items()]
        if not any(values for _, values in given):
            given = [(f"classes.{name}", (index,)) for index, name in enumerate(self.classes)]
        for key, values in [*given, (f"ignore.{kind}", getattr(self.ignore, kind))]:
            for value in values:
                if value in owners:
                    shown = list(value) if self.is_rgb else value
                    raise refuse(f"{shown} stands in {owners[value]} already; keep one of them", key)
                owners[value] = key


class SplitConfig(Config):
    """Images and label maps of a split: by globs, by a list of files, or by globs and a list of names."""

    images: Glob | None = None
    """Glob of the images below the root, such as `images/train/**/*.png`; other files than PNG, JPEG and WebP are left
    out."""
    labels: Glob | None = None
    """Glob of the label maps, PNG files."""
    list: Annotated[PathText, AfterValidator(_check_inner)] | None = None
    """Text file below the root or, if it begins with `params/`, in the repository. With globs, it holds the names that
    belong to the split, one on a line; without, an image and its label map on each line."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.images is None) != (self.labels is None):
            raise refuse("is missing; give images and labels", "labels" if self.labels is None else "images")
        if self.images is None and self.list is None:
            raise refuse("is missing; give globs of images and labels, or a list", "images")
        return self


class NamesConfig(Config):
    """Regular expressions of file names, whose groups are the name that pairs an image with its label map.

    They match the whole name of a file or, if they hold a `/`, the end of its path; several groups are joined by `_`.
    """

    image: Pattern | None = None
    """Of images, such as `(.+)_camera\\.png`; null for the file name without its suffix."""
    label: Pattern | None = None
    """Of label maps."""
    prediction: Pattern | None = None
    """Of predictions for `fbnet score`; null for names as those of images, of label maps, or without anything else."""


class DatasetFile(LabelSetConfig):
    """Contents of `params/datasets/<name>.yaml`."""

    description: str = ""
    """What it is, for readers of the file."""
    root: PathText
    """Folder of the raw data; a study may name another."""
    root_variable: Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]{0,99}$")] | None = None
    """Environment variable that overrides the folder."""
    splits: Annotated[dict[Word, SplitConfig], Field(min_length=1)]
    names: NamesConfig = NamesConfig()
    tile: PositiveInt | None = None
    """Suggested side of the tiles of class-uniform sampling, in pixels, at most the smallest image's; for studies that
    name none."""
    homepage: str | None = None
    """Page of its publisher, for model cards."""
    licence: str | None = None
    """Terms of use in a few words, for model cards."""

    def entry(self, name: str, file: Path) -> DatasetEntry:
        """Return the entry of a registry that says the same."""
        return DatasetEntry(
            files={split: SplitFiles(**files.model_dump()) for split, files in self.splits.items()},
            names=FileNames(**self.names.model_dump()),
            labels=self.spec(name),
            root=self.root,
            root_variable=self.root_variable,
            tile=self.tile,
            homepage=self.homepage,
            licence=self.licence,
            file=file,
            label_set=self.model_dump(include=set(LabelSetConfig.model_fields)),
        )


def dataset_names() -> tuple[str, ...]:
    """Return the names of all datasets: built in, and described in `params/datasets/`."""
    own = sorted(file.stem for file in paths.DATASETS.glob("*.yaml") if is_word(file.stem))
    return tuple(dict.fromkeys([*DATASETS, *own]))


def find_dataset(name: str, key: str | None = None) -> DatasetEntry:
    """Return the entry of a dataset; no file but its own is read.

    Args:
        name: name of the dataset.
        key: dotted key of the name, for messages.

    Raises:
        InputError: for a damaged file, and for one that takes the name of another dataset or folder.
        PydanticCustomError: if there is no such dataset.
    """
    file = paths.dataset_file(name)
    if not is_word(name) or (name not in DATASETS and not file.is_file()):
        raise refuse(f"no {name!r}; choose from {', '.join(dataset_names())}", key)
    if not file.is_file():
        return DATASETS[name]
    if name in DATASETS or name in paths.NOT_PREPARED:
        taken = "a built-in data set" if name in DATASETS else f"the folder {paths.DATA / name}"
        raise InputError(f"{file}: has the name of {taken}; rename the file")
    return load_dataset_file(file).entry(name, file)


def load_dataset_file(file: Path) -> DatasetFile:
    """Load the description of a dataset. Raises InputError."""
    content = read_yaml(file)
    with validating(file):
        return DatasetFile.model_validate(content)


def _check_name(name: str) -> str:
    find_dataset(name)
    return name


DatasetName = Annotated[
    str,
    Field(pattern="^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$", json_schema_extra={"examples": list(DATASETS)}),
    AfterValidator(_check_name),
]
"""Name of a dataset that is built in or described in `params/datasets/`."""
