"""Audits of a throw-away study, and the means to spoil what they look at."""

import json

from fbnet.io.files import sha256
from fbnet.provenance.records import digest

TABLE = "results/toy/tables/table_1.csv"
RUN = "results/toy/runs/fcn_r50/seed0"
RECORDS = "results/toy/provenance"


def audit(clone, *arguments):
    """Output of an audit: exit code, counts by kind of check, failures and verdict."""
    result = clone.run("fbnet", "audit", "--study", "toy", *arguments, check=False)
    assert result.returncode in (0, 1), result.stderr
    counts, rest = {}, []
    for line in result.stdout.splitlines()[2:]:
        what, *numbers = line.rsplit(maxsplit=3)
        if not rest and len(numbers) == 3 and all(number.isdigit() for number in numbers):
            counts[what] = tuple(map(int, numbers))
        else:
            rest.append(line)
    return result.returncode, counts, rest


def failures(clone, *arguments):
    """The failures of an audit that finds some."""
    code, counts, lines = audit(clone, *arguments)
    assert code == 1
    *found, last = lines
    assert sum(row[2] for row in counts.values()) == len(found)
    assert last == f"study toy: {len(found)} failure{'s' if len(found) > 1 else ''}"
    return found


def change_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=1) + "\n")


def record_again(clone, kind, name):
    """Lets a record, and those of what is made from it, say that the files there are now are its own."""
    renewed = {}

    def outputs(record):
        here = [path for path in record["outputs"] if (clone.folder / path).is_file()]
        record["outputs"] |= {path: sha256(clone.folder / path) for path in here}
        record["digest"] = renewed["digest"] = digest(record["outputs"])

    def inputs(record):
        result = f"{kind} {name.replace('/', ' ')}"
        record["inputs"] |= {result: renewed["digest"]} if result in record["inputs"] else {}

    change_json(clone.folder / RECORDS / kind / f"{name}.json", outputs)
    for path in (clone.folder / RECORDS).rglob("*.json"):
        change_json(path, inputs)
