"""Labels of Mapillary Vistas in its versions 1.2 and 2.0, and the class of Cityscapes that each one belongs to."""

# NOTE not in the paper. Labels of 1.2 are translated as in public code for Cityscapes, with crossings added; labels of
# 2.0 follow the label of 1.2 that they were part of.
# Each row: class, group, labels of the group in version 1.2, labels that are new in 2.0.
_TABLE = (
    ("road", "construction--flat", "road crosswalk-plain", ""),
    ("road", "object", "manhole", ""),
    # Paint on a road is road in Cityscapes.
    ("road", "marking", "crosswalk-zebra general", ""),
    ("road", "marking--continuous", "", "dashed solid zigzag"),
    ("road", "marking--discrete", "", "ambiguous arrow--left arrow--other arrow--right arrow--split-left-or-straight"),
    ("road", "marking--discrete", "", "arrow--split-right-or-straight arrow--straight crosswalk-zebra give-way-row"),
    ("road", "marking--discrete", "", "give-way-single hatched--chevron hatched--diagonal other-marking stop-line"),
    ("road", "marking--discrete", "", "symbol--bicycle symbol--other text"),
    ("road", "marking-only--continuous", "", "dashed"),
    ("road", "marking-only--discrete", "", "crosswalk-zebra other-marking text"),
    ("sidewalk", "construction--flat", "sidewalk", ""),
    ("sidewalk", "construction--barrier", "curb", ""),
    ("building", "construction--structure", "building", "garage"),
    ("wall", "construction--barrier", "wall", ""),
    ("fence", "construction--barrier", "fence", ""),
    ("pole", "object--support", "pole utility-pole", ""),
    ("traffic light", "object", "traffic-light", ""),
    # In the order of the configuration file, see V2_0.
    ("traffic light", "object--traffic-light", "", "general-single pedestrians general-upright general-horizontal"),
    ("traffic light", "object--traffic-light", "", "cyclists other"),
    ("traffic sign", "object--traffic-sign", "front", "direction-front information-parking temporary-front"),
    ("vegetation", "nature", "vegetation", ""),
    ("terrain", "nature", "terrain", ""),
    ("sky", "nature", "sky", ""),
    ("person", "human", "person", ""),
    ("person", "human--person", "", "individual person-group"),
    ("rider", "human--rider", "bicyclist motorcyclist other-rider", ""),
    ("car", "object--vehicle", "car", ""),
    ("truck", "object--vehicle", "truck", ""),
    ("bus", "object--vehicle", "bus", ""),
    ("train", "object--vehicle", "on-rails", ""),
    ("motorcycle", "object--vehicle", "motorcycle", ""),
    ("bicycle", "object--vehicle", "bicycle", ""),
    # Separate labels in Cityscapes too, and ignored there.
    (None, "construction--flat", "parking rail-track", "parking-aisle"),
    (None, "construction--barrier", "guard-rail", ""),
    (None, "construction--structure", "bridge tunnel", ""),
    (None, "object--support", "", "pole-group"),
    (None, "object--vehicle", "caravan trailer", ""),
    (None, "void", "car-mount ego-vehicle unlabeled", "dynamic ground static"),
    # Either road or sidewalk; an island may also be planted.
    (None, "construction--flat", "bike-lane curb-cut pedestrian-area service-lane", "driveway road-shoulder"),
    (None, "construction--flat", "", "traffic-island"),
    # Neither quite wall nor fence.
    (None, "construction--barrier", "other-barrier", "ambiguous concrete-block road-median road-side separator"),
    (None, "construction--barrier", "", "temporary"),
    # Cityscapes has no class for the back of a sign, its frame, or a street light, which is more than a pole.
    (None, "object--traffic-sign", "back", "ambiguous direction-back temporary-back"),
    (None, "object--support", "traffic-sign-frame", ""),
    (None, "object", "street-light", ""),
    # Signs that do not concern the traffic.
    (None, "object--sign", "", "advertisement ambiguous back information other store"),
    (None, "object", "banner billboard", ""),
    # None of the six vehicles, or several of them.
    (None, "object--vehicle", "boat other-vehicle wheeled-slow", "vehicle-group"),
    # Ground that is rare in streets and two of the three holes in the road, which public code ignores.
    (None, "nature", "mountain sand snow water", ""),
    (None, "object", "catch-basin pothole", ""),
    # No similar class.
    (None, "animal", "bird ground-animal", ""),
    (None, "object", "bench bike-rack cctv-camera fire-hydrant junction-box mailbox phone-booth trash-can", ""),
    (None, "object", "", "parking-meter traffic-cone water-valve"),
)
# Labels of version 1.2 that 2.0 divides or drops.
_DROPPED = {
    "human--person",
    "object--billboard",
    "object--traffic-light",
    "marking--crosswalk-zebra",
    "marking--general",
}
CLASS_OF = {f"{group}--{name}": class_name for class_name, group, old, new in _TABLE for name in f"{old} {new}".split()}
"""Class of Cityscapes of each label of either version; None for labels that are ignored."""

# The configuration files that come with the labels are in alphabetical order, except for the traffic lights of 2.0.
# Only drawn scenes depend on it; the reader takes the order from the files themselves.
V1_2 = tuple(sorted(f"{group}--{name}" for _, group, old, _ in _TABLE for name in old.split()))
V2_0 = tuple(
    sorted(
        (name for name in CLASS_OF if name not in _DROPPED),
        key=lambda name: "object--traffic-light" if name.startswith("object--traffic-light--") else name,
    )
)
