"""Staleness: which results no longer match what they would be made from now, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fbnet.data import raw_changes as raw
from fbnet.io.files import write_json
from fbnet.provenance.graph import Graph, Node, Result
from fbnet.provenance.records import Accepted, Provenance, now, present, read

SHOWN = 3  # changes in one line
LONGEST_VALUE = 40  # characters of a value in a line


@dataclass(frozen=True)
class Stale:
    """Why a result has to be made, or made again."""

    changed: tuple[str, ...] = ()
    """Changes of its parameters, sources, files and inputs."""
    remade: tuple[str, ...] = ()
    """Input results that are stale themselves."""

    def __str__(self) -> str:
        found = [*self.changed, *(f"{name} is made again" for name in self.remade)] or ["not made yet"]
        return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def stale(graph: Graph) -> dict[Result, Stale | None]:
    """Return why each result has to be made again; None for up-to-date results.

    Raises:
        InputError: for a damaged record.
    """
    reasons: dict[Result, Stale | None] = {}
    records: dict[Result, Provenance | None] = {}
    for result, node in graph.results.items():
        records[result] = read(graph.study, result)
        reasons[result] = _why(graph, result, node, reasons, records)
    return reasons


def restamp(graph: Graph, because: str, kinds: Iterable[str] = ()) -> list[tuple[Result, list[str]]]:
    """Accept changes of sources and parameters that left existing results unchanged.

    Args:
        graph: The study's graph.
        because: Why the changes do not matter; recorded.
        kinds: Kinds of results; all if empty.

    Returns:
        The results with their accepted changes.
    """
    done = []
    for result, node in graph.results.items():
        record = read(graph.study, result)
        found = [] if record is None else _changes(graph, result, node, record)
        if not found or (kinds and result.kind not in kinds):
            continue
        accepted = Accepted(at=now(), because=because, changes=tuple(found))
        content = record.model_dump() | present(result, node)
        if raw_data := graph.raw_data(result):
            content["raw"] = raw.digest(raw.list_files(*raw_data)) or record.raw
        write_json(node.record, content | {"accepted": [*content["accepted"], accepted.model_dump()]})
        done.append((result, found))
    return done


def _why(
    graph: Graph,
    result: Result,
    node: Node,
    reasons: Mapping[Result, Stale | None],
    records: Mapping[Result, Provenance | None],
) -> Stale | None:
    record = records[result]
    if record is None:
        existing = [path for path in node.identity if path.exists()]
        return Stale((f"{existing[0]} has no record of what it was made from",)) if existing else Stale()
    changed, remade = _changes(graph, result, node, record), []
    for entry in node.results:
        if reasons[entry] is not None:
            remade.append(str(entry))
        elif record.inputs.get(str(entry)) != records[entry].digest:
            changed.append(f"made from another {entry}")
    changed += [f"no longer made from {name}" for name in record.inputs if name not in map(str, node.results)]
    return Stale(tuple(changed), tuple(remade)) if changed or remade else None


def _changes(graph: Graph, result: Result, node: Node, record: Provenance) -> list[str]:
    """Describe what changed since a result was recorded, apart from its input results."""
    current = present(result, node)
    found = _differences(record.parameters, current["parameters"])
    for kind in ("sources", "files"):
        before, after = getattr(record, kind), current[kind]
        found += [f"{name} changed" for name in after if name in before and before[name] != after[name]]
        found += [f"{name} is new" for name in after if name not in before]
        found += [f"{name} is gone" for name in before if name not in after]
    raw_data = graph.raw_data(result)
    return found if raw_data is None else [*found, *raw.changes(*raw_data, record.raw)]


def _differences(before: object, after: object, key: str = "") -> list[str]:
    """Describe the values that differ between two parameters, by dotted keys."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        names = [*before, *(name for name in after if name not in before)]
        return [
            text
            for name in names
            for text in _differences(before.get(name), after.get(name), f"{key}.{name}" if key else str(name))
        ]
    return [] if before == after else [f"{key} {_shown(before)} -> {_shown(after)}"]


def _shown(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
