"""The JSON schemas of `params/` say what the dataclasses say."""

import json
from dataclasses import fields
from typing import Literal, get_args, get_origin, get_type_hints

import jsonschema
import pytest
import yaml

from fbnet.config.evaluation import EvaluationConfig, ScalesConfig
from fbnet.config.hardware import Hardware
from fbnet.config.runs import BalanceConfig, FigureRuns, RunConfig
from fbnet.config.study import StudyFile
from fbnet.config.training import ClassUniformConfig, OhemConfig, PhotometricConfig, TrainingConfig
from tests.conftest import ROOT

STUDIES = sorted(path.stem for path in (ROOT / "params" / "studies").glob("*.yaml"))
SCHEMAS = {
    name: json.loads((ROOT / "workflow" / "schemas" / f"{name}.schema.json").read_text())
    for name in ("runs", "study", "hardware")
}


class TestSchemas:
    """The JSON schemas serve editors; the dataclasses decide. The two must say the same."""

    @pytest.mark.parametrize("study", STUDIES)
    def test_shipped_studies_fit(self, study):
        jsonschema.validate(yaml.safe_load((ROOT / "params/studies" / f"{study}.yaml").read_text()), SCHEMAS["study"])

    def test_shipped_runs_fit(self):
        jsonschema.validate(yaml.safe_load((ROOT / "params/runs.yaml").read_text()), SCHEMAS["runs"])

    def test_the_shipped_machines_fit(self):
        jsonschema.validate(yaml.safe_load((ROOT / "params/hardware.yaml").read_text()), SCHEMAS["hardware"])

    def test_a_machine_has_the_same_keys(self):
        place = SCHEMAS["hardware"]["additionalProperties"]
        names = {entry.name for entry in fields(Hardware)} - {"name"}  # which is its key in the file
        assert set(place["properties"]) == set(place["required"]) == names
        assert place["additionalProperties"] is False

    @pytest.mark.parametrize(
        "change",
        [{"utilisation": 1.1}, {"memory_gib": 0}, {"dollars_an_hour": -1}, {"float32_tflops": 2e9}, {"cores": 2}],
    )
    def test_what_no_machine_is_is_refused(self, change):
        machines = yaml.safe_load((ROOT / "params/hardware.yaml").read_text())
        machines["h100"] |= change
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(machines, SCHEMAS["hardware"])

    @pytest.mark.parametrize(
        ("schema", "cls", "keys"),
        [
            ("study", StudyFile, ()),
            ("study", TrainingConfig, ("training",)),
            ("study", OhemConfig, ("training", "ohem")),
            ("study", ClassUniformConfig, ("training", "class_uniform")),
            ("study", PhotometricConfig, ("training", "photometric")),
            ("study", EvaluationConfig, ("evaluation",)),
            ("study", ScalesConfig, ("multi_scale",)),
            ("study", FigureRuns, ("figure_runs",)),
            ("runs", RunConfig, ("defaults",)),
            ("runs", BalanceConfig, ("defaults", "balance")),
        ],
    )
    def test_same_keys_and_choices(self, schema, cls, keys):
        place = SCHEMAS[schema]
        for key in keys:
            place = place["properties"][key]
        # a run's id is its key in the file, and a label has no default
        names = {entry.name for entry in fields(cls)} - ({"id", "label"} if cls is RunConfig else set())
        assert set(place["properties"]) == names
        assert place["additionalProperties"] is False
        for name, kind in get_type_hints(cls).items():
            if get_origin(kind) is Literal and name in names:
                assert place["properties"][name]["enum"] == list(get_args(kind))

    def test_unknown_keys_are_refused(self):
        study = yaml.safe_load((ROOT / "params/studies/demo.yaml").read_text())
        with pytest.raises(jsonschema.ValidationError, match="crops"):
            jsonschema.validate({**study, "training": {**study["training"], "crops": 1}}, SCHEMAS["study"])

    @pytest.mark.parametrize("part", ["runs", "quoted", "tables", "figures"])
    @pytest.mark.parametrize("name", ["a; touch x", "../x", "$(x)", "-x"])
    def test_names_are_words(self, part, name):
        runs = yaml.safe_load((ROOT / "params/runs.yaml").read_text())
        runs[part][name] = next(iter(runs[part].values()))
        with pytest.raises(jsonschema.ValidationError, match="does not match"):
            jsonschema.validate(runs, SCHEMAS["runs"])
