"""Generates the JSON schemas of `params/` for editors: `python -m fbnet.config.schema`."""

from pathlib import Path

from pydantic.json_schema import GenerateJsonSchema

from fbnet.config.dataset_files import DatasetFile
from fbnet.config.hardware import HARDWARE_FILE
from fbnet.config.runs import RunsFile
from fbnet.config.study import StudyFile
from fbnet.io.files import write_json

FOLDER = Path("workflow/schemas")


class _Schema(GenerateJsonSchema):
    def dict_schema(self, schema: dict) -> dict:
        """Refuse keys that do not match the pattern of a mapping's keys."""
        found = super().dict_schema(schema)
        for pattern, values in found.pop("patternProperties", {}).items():
            found |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}
        return found


def schemas() -> dict[str, dict]:
    """Return the schema of each kind of file by its name."""
    runs = RunsFile.model_json_schema(schema_generator=_Schema)
    study = StudyFile.model_json_schema(schema_generator=_Schema)
    hardware = HARDWARE_FILE.json_schema(schema_generator=_Schema)
    # In files, a run is a delta over the defaults, a recipe one over the training, and names are keys.
    run, machine = runs["$defs"]["RunConfig"], hardware["$defs"]["Hardware"]
    runs["$defs"] |= {"RunConfig": _delta(run, "id"), "RunDefaults": _delta(run, "id", "label")}
    runs["$defs"]["RunConfig"]["required"] = ["label"]
    runs["properties"]["defaults"] = {"$ref": "#/$defs/RunDefaults"}
    study["$defs"]["Recipe"] = _delta(study["$defs"]["TrainingConfig"])
    study["properties"]["recipes"]["additionalProperties"] = {"$ref": "#/$defs/Recipe"}
    required = [key for key in machine["required"] if key != "name"]
    hardware["$defs"]["Hardware"] = _delta(machine, "name") | {"required": required}
    dataset = DatasetFile.model_json_schema(schema_generator=_Schema)
    dialect = {"$schema": GenerateJsonSchema.schema_dialect}
    found = {"runs": runs, "study": study, "hardware": hardware, "dataset": dataset}
    return {name: dialect | schema for name, schema in found.items()}


def _delta(model: dict, *without: str) -> dict:
    """Return the schema of a delta over a model: nothing is required or has a default."""
    properties = {
        name: {key: value for key, value in schema.items() if key != "default"}
        for name, schema in model["properties"].items()
        if name not in without
    }
    return {**{key: value for key, value in model.items() if key != "required"}, "properties": properties}


if __name__ == "__main__":
    for name, schema in schemas().items():
        write_json(FOLDER / f"{name}.schema.json", schema)
