"""What a working folder holds of prepared data and of jobs that are done, as far as a plan looks at it."""

import json

from fbnet import paths


def write_manifests(data, images, arrays=True, **entry):
    """Write a manifest with a number of images for each split, and empty arrays."""
    for split, count in images.items():
        manifest, *others = data.prepared_files(split)
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(json.dumps({"images": [{"name": str(index), **entry} for index in range(count)]}))
        for path in others if arrays else ():
            path.touch()


def write_record(study, kind, run, seed):
    """What a clone has of a job that is done: its record, not its large files."""
    path = paths.provenance_file(study.name, kind, f"{run}/seed{seed}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
