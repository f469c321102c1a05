"""The JSON schemas of `params/` are those of the models, and the shipped files fit them."""

import json

import jsonschema
import pytest
import yaml

from fbnet.config.schema import FOLDER, schemas
from tests.conftest import ROOT

SCHEMAS = schemas()
FILES = [
    ("runs", "runs.yaml"),
    ("hardware", "hardware.yaml"),
    *(("study", f"studies/{path.name}") for path in sorted((ROOT / "params/studies").glob("*.yaml"))),
]


def load(name):
    return yaml.safe_load((ROOT / "params" / name).read_text())


@pytest.mark.parametrize("name", SCHEMAS)
def test_committed_schemas_are_generated(name):
    assert json.loads((ROOT / FOLDER / f"{name}.schema.json").read_text()) == SCHEMAS[name], "run `make schemas`"


@pytest.mark.parametrize(("schema", "name"), FILES)
def test_shipped_files_fit(schema, name):
    jsonschema.validate(load(name), SCHEMAS[schema])


@pytest.mark.parametrize(
    ("schema", "name", "keys", "value"),
    [
        ("hardware", "hardware.yaml", ("h100", "utilisation"), 1.1),
        ("hardware", "hardware.yaml", ("h100", "memory_gib"), 0),
        ("hardware", "hardware.yaml", ("h100", "dollars_an_hour"), -1),
        ("hardware", "hardware.yaml", ("h100", "cores"), 2),
        ("hardware", "hardware.yaml", ("h100", "name"), "h100"),
        ("study", "studies/demo.yaml", ("training", "crops"), 1),
        ("study", "studies/demo.yaml", ("training", "crop"), [64]),
        ("study", "studies/demo.yaml", ("recipes", "finetuning", "cropp"), 1),
        ("study", "studies/demo.yaml", ("data", "cityscapes", "dataset"), "../kitti"),
        ("study", "studies/demo.yaml", ("data", "kitti"), {"dataset": "camvid", "root": "camvid"}),
        ("runs", "runs.yaml", ("defaults", "head"), "unet"),
        ("runs", "runs.yaml", ("defaults", "label"), "FCN"),
        ("runs", "runs.yaml", ("runs", "fcn_r50", "backbone"), "resnet18"),
        ("runs", "runs.yaml", ("runs", "fcn_r50", "id"), "fcn_r50"),
        ("runs", "runs.yaml", ("runs", "fcn_r50"), {"backbone": "resnet50"}),
        ("runs", "runs.yaml", ("figures", "figure_3"), {"title": "More"}),
        *(
            ("runs", "runs.yaml", (part, name), entry)
            for name in ("a; touch x", "../x", "$(x)", "-x")
            for part, entry in (
                ("runs", {"label": "Mine"}),
                ("quoted", {"label": "Theirs"}),
                ("tables", {"title": "", "describe": [], "columns": [], "rows": []}),
            )
        ),
    ],
)
def test_refused(schema, name, keys, value):
    content = load(name)
    parent = content
    for key in keys[:-1]:
        parent = parent[key]
    parent[keys[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMAS[schema])


def test_fields_are_described():
    training = SCHEMAS["study"]["$defs"]["TrainingConfig"]["properties"]
    assert training["crop"]["description"] == "Height and width of a training crop, multiples of the output stride."
