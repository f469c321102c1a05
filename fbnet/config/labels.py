"""Label sets: names, colours and raw ids of the classes, and which of them the paper calls foreground."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported where it is needed, as planning reads label sets without it
    import numpy as np

IGNORE_INDEX = 255


@dataclass(frozen=True)
class LabelSpec:
    """Classes of a label set, in the order of their train ids."""

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    background: frozenset[str]
    raw_ids: dict[int, int]
    """Train id, or `IGNORE_INDEX`, of every id that a raw label file may hold; any other id is an error in the data."""
    raw_colours: dict[tuple[int, int, int], int] | None = None
    """The same of every colour, if raw label files hold RGB colours instead of ids."""

    @property
    def train_ids(self) -> "np.ndarray":
        """Lookup table (256,) uint8 from raw ids to train ids; ids that are not in `raw_ids` are ignored."""
        import numpy as np

        train_ids = np.full(256, IGNORE_INDEX, dtype=np.uint8)
        train_ids[list(self.raw_ids)] = list(self.raw_ids.values())
        return train_ids

    def to_raw(self, train_ids: "np.ndarray") -> "np.ndarray":
        """Translate train ids (H, W) uint8 to the raw ids of the dataset, or to its colours (H, W, 3) uint8.

        A class of several values takes the first of them.
        """
        import numpy as np

        values = self.raw_ids if self.raw_colours is None else self.raw_colours
        raw = np.zeros((256, *np.shape(next(iter(values)))), dtype=np.uint8)
        for value, train_id in reversed(values.items()):
            raw[train_id] = value
        return raw[train_ids]

    @property
    def foreground(self) -> tuple[str, ...]:
        """Names of the foreground classes in the order of `classes` (the paper's footnote 1)."""
        return tuple(name for name in self.classes if name not in self.background)

    @property
    def foreground_ids(self) -> tuple[int, ...]:
        """Train ids of the foreground classes."""
        return tuple(self.classes.index(name) for name in self.foreground)


# (name, colour, raw id), in the order of the train ids.
_CITYSCAPES = (
    ("road", (128, 64, 128), 7),
    ("sidewalk", (244, 35, 232), 8),
    ("building", (70, 70, 70), 11),
    ("wall", (102, 102, 156), 12),
    ("fence", (190, 153, 153), 13),
    ("pole", (153, 153, 153), 17),
    ("traffic light", (250, 170, 30), 19),
    ("traffic sign", (220, 220, 0), 20),
    ("vegetation", (107, 142, 35), 21),
    ("terrain", (152, 251, 152), 22),
    ("sky", (70, 130, 180), 23),
    ("person", (220, 20, 60), 24),
    ("rider", (255, 0, 0), 25),
    ("car", (0, 0, 142), 26),
    ("truck", (0, 0, 70), 27),
    ("bus", (0, 60, 100), 28),
    ("train", (0, 80, 100), 31),
    ("motorcycle", (0, 0, 230), 32),
    ("bicycle", (119, 11, 32), 33),
)
CITYSCAPES = LabelSpec(
    name="cityscapes",
    classes=tuple(name for name, _, _ in _CITYSCAPES),
    palette=tuple(colour for _, colour, _ in _CITYSCAPES),
    background=frozenset({"road", "sidewalk", "building", "vegetation", "sky"}),
    raw_ids={
        **dict.fromkeys(range(34), IGNORE_INDEX),  # 0 (unlabeled) to 33 (bicycle)
        **{raw: train for train, (_, _, raw) in enumerate(_CITYSCAPES)},
    },
)

# The eleven classes of the SegNet split. Raw ids are the train ids, colours those of the matching Cityscapes classes.
_CAMVID = (
    ("sky", (70, 130, 180)),
    ("building", (70, 70, 70)),
    ("pole", (153, 153, 153)),
    ("road", (128, 64, 128)),
    ("pavement", (244, 35, 232)),
    ("tree", (107, 142, 35)),
    ("sign", (220, 220, 0)),
    ("fence", (190, 153, 153)),
    ("car", (0, 0, 142)),
    ("pedestrian", (220, 20, 60)),
    ("bicyclist", (119, 11, 32)),
)
CAMVID_VOID = 11

CAMVID = LabelSpec(
    name="camvid",
    classes=tuple(name for name, _ in _CAMVID),
    palette=tuple(colour for _, colour in _CAMVID),
    background=frozenset({"sky", "building", "road", "pavement", "tree"}),
    raw_ids={**{index: index for index in range(len(_CAMVID))}, CAMVID_VOID: IGNORE_INDEX},
)

# The classes of Cityscapes, in label maps that hold train ids.
BDD100K = replace(
    CITYSCAPES,
    name="bdd100k",
    raw_ids={**{index: index for index in range(len(CITYSCAPES.classes))}, IGNORE_INDEX: IGNORE_INDEX},
)
