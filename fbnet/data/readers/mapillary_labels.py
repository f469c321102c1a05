"""The labels of Mapillary Vistas in its versions 1.2 and 2.0, and which class of Cityscapes each one is."""

from collections.abc import Iterable


def _names(groups: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Full names such as `nature--sky` out of groups and what is in them."""
    return tuple(f"{group}--{name}" for group, names in groups for name in names.split())


# In the order of the configuration files that come with the labels, as public code that lists these files has it; the
# traffic lights of 2.0 are out of the alphabetical order there. Reading goes by the files themselves, never by this.
V1_2 = _names(
    (
        ("animal", "bird ground-animal"),
        ("construction--barrier", "curb fence guard-rail other-barrier wall"),
        ("construction--flat", "bike-lane crosswalk-plain curb-cut parking pedestrian-area rail-track road"),
        ("construction--flat", "service-lane sidewalk"),
        ("construction--structure", "bridge building tunnel"),
        ("human", "person"),
        ("human--rider", "bicyclist motorcyclist other-rider"),
        ("marking", "crosswalk-zebra general"),
        ("nature", "mountain sand sky snow terrain vegetation water"),
        ("object", "banner bench bike-rack billboard catch-basin cctv-camera fire-hydrant junction-box mailbox"),
        ("object", "manhole phone-booth pothole street-light"),
        ("object--support", "pole traffic-sign-frame utility-pole"),
        ("object", "traffic-light"),
        ("object--traffic-sign", "back front"),
        ("object", "trash-can"),
        ("object--vehicle", "bicycle boat bus car caravan motorcycle on-rails other-vehicle trailer truck"),
        ("object--vehicle", "wheeled-slow"),
        ("void", "car-mount ego-vehicle unlabeled"),
    )
)
V2_0 = _names(
    (
        ("animal", "bird ground-animal"),
        ("construction--barrier", "ambiguous concrete-block curb fence guard-rail other-barrier road-median"),
        ("construction--barrier", "road-side separator temporary wall"),
        ("construction--flat", "bike-lane crosswalk-plain curb-cut driveway parking parking-aisle pedestrian-area"),
        ("construction--flat", "rail-track road road-shoulder service-lane sidewalk traffic-island"),
        ("construction--structure", "bridge building garage tunnel"),
        ("human--person", "individual person-group"),
        ("human--rider", "bicyclist motorcyclist other-rider"),
        ("marking--continuous", "dashed solid zigzag"),
        ("marking--discrete", "ambiguous arrow--left arrow--other arrow--right arrow--split-left-or-straight"),
        ("marking--discrete", "arrow--split-right-or-straight arrow--straight crosswalk-zebra give-way-row"),
        ("marking--discrete", "give-way-single hatched--chevron hatched--diagonal other-marking stop-line"),
        ("marking--discrete", "symbol--bicycle symbol--other text"),
        ("marking-only--continuous", "dashed"),
        ("marking-only--discrete", "crosswalk-zebra other-marking text"),
        ("nature", "mountain sand sky snow terrain vegetation water"),
        ("object", "banner bench bike-rack catch-basin cctv-camera fire-hydrant junction-box mailbox manhole"),
        ("object", "parking-meter phone-booth pothole"),
        ("object--sign", "advertisement ambiguous back information other store"),
        ("object", "street-light"),
        ("object--support", "pole pole-group traffic-sign-frame utility-pole"),
        ("object", "traffic-cone"),
        ("object--traffic-light", "general-single pedestrians general-upright general-horizontal cyclists other"),
        ("object--traffic-sign", "ambiguous back direction-back direction-front front information-parking"),
        ("object--traffic-sign", "temporary-back temporary-front"),
        ("object", "trash-can"),
        ("object--vehicle", "bicycle boat bus car caravan motorcycle on-rails other-vehicle trailer truck"),
        ("object--vehicle", "vehicle-group wheeled-slow"),
        ("object", "water-valve"),
        ("void", "car-mount dynamic ego-vehicle ground static unlabeled"),
    )
)

# NOTE not in the paper. For the labels of 1.2 this is what public codes for Cityscapes translate, and the crossings
# with them. The labels of 2.0 follow what they were a part of.
_TABLE = (
    ("road", "construction--flat", "road crosswalk-plain"),
    ("road", "object", "manhole"),
    # What is painted on a road is road in Cityscapes.
    ("road", "marking", "crosswalk-zebra general"),
    ("road", "marking--continuous", "dashed solid zigzag"),
    ("road", "marking--discrete", "ambiguous arrow--left arrow--other arrow--right arrow--split-left-or-straight"),
    ("road", "marking--discrete", "arrow--split-right-or-straight arrow--straight crosswalk-zebra give-way-row"),
    ("road", "marking--discrete", "give-way-single hatched--chevron hatched--diagonal other-marking stop-line"),
    ("road", "marking--discrete", "symbol--bicycle symbol--other text"),
    ("road", "marking-only--continuous", "dashed"),
    ("road", "marking-only--discrete", "crosswalk-zebra other-marking text"),
    ("sidewalk", "construction--flat", "sidewalk"),
    ("sidewalk", "construction--barrier", "curb"),
    ("building", "construction--structure", "building garage"),
    ("wall", "construction--barrier", "wall"),
    ("fence", "construction--barrier", "fence"),
    ("pole", "object--support", "pole utility-pole"),
    ("traffic light", "object", "traffic-light"),
    ("traffic light", "object--traffic-light", "general-single pedestrians general-upright general-horizontal"),
    ("traffic light", "object--traffic-light", "cyclists other"),
    ("traffic sign", "object--traffic-sign", "front direction-front information-parking temporary-front"),
    ("vegetation", "nature", "vegetation"),
    ("terrain", "nature", "terrain"),
    ("sky", "nature", "sky"),
    ("person", "human", "person"),
    ("person", "human--person", "individual person-group"),
    ("rider", "human--rider", "bicyclist motorcyclist other-rider"),
    ("car", "object--vehicle", "car"),
    ("truck", "object--vehicle", "truck"),
    ("bus", "object--vehicle", "bus"),
    ("train", "object--vehicle", "on-rails"),
    ("motorcycle", "object--vehicle", "motorcycle"),
    ("bicycle", "object--vehicle", "bicycle"),
    # Labels of their own in Cityscapes too, and ignored there.
    (None, "construction--flat", "parking parking-aisle rail-track"),
    (None, "construction--barrier", "guard-rail"),
    (None, "construction--structure", "bridge tunnel"),
    (None, "object--support", "pole-group"),
    (None, "object--vehicle", "caravan trailer"),
    (None, "void", "car-mount dynamic ego-vehicle ground static unlabeled"),
    # Road or sidewalk, as the case may be; an island may also be planted.
    (
        None,
        "construction--flat",
        "bike-lane curb-cut driveway pedestrian-area road-shoulder service-lane traffic-island",
    ),
    # Neither quite wall nor fence.
    (None, "construction--barrier", "ambiguous concrete-block other-barrier road-median road-side separator temporary"),
    # The back of a sign is no sign in Cityscapes; a frame is neither sign nor pole, a street light not the pole alone.
    (None, "object--traffic-sign", "ambiguous back direction-back temporary-back"),
    (None, "object--support", "traffic-sign-frame"),
    (None, "object", "street-light"),
    # For readers of shop windows, not for the traffic.
    (None, "object--sign", "advertisement ambiguous back information other store"),
    (None, "object", "banner billboard"),
    # None of the six vehicles, or several of them.
    (None, "object--vehicle", "boat other-vehicle vehicle-group wheeled-slow"),
    # Ground that streets rarely have, which public codes leave out, as they do two of the three holes in the road.
    (None, "nature", "mountain sand snow water"),
    (None, "object", "catch-basin pothole"),
    # Nothing that one could take for a class.
    (None, "animal", "bird ground-animal"),
    (None, "object", "bench bike-rack cctv-camera fire-hydrant junction-box mailbox parking-meter phone-booth"),
    (None, "object", "traffic-cone trash-can water-valve"),
)
CLASS_OF = {f"{group}--{name}": class_name for class_name, group, names in _TABLE for name in names.split()}
"""The class of Cityscapes that each label of either version is; None where it is none, and ignored."""
