"""What an output folder holds, as boards: one per task, each row the aggregate of its seeds."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backmapbench.board.boards import CONFIDENCE, CONTROL_ORDER, Board, Cell, Row, ScoreInfo, Values
from backmapbench.errors import RecordError, UnknownNameError
from backmapbench.intervals import interval
from backmapbench.metrics.registry import METRICS, metric_class
from backmapbench.records import Record, read_record, read_statistics


def collect(folder: Path, task: str | None = None) -> list[Board]:
    """Boards of all tasks (or of ``task``) in an output folder, in alphabetical order.

    Raises RecordError if there is no record or if records of one task do not belong together, UnknownNameError if there
    is none for ``task``.
    """
    tasks = sorted({path.parent.parent.name for path in folder.glob("*/*/seed-*.json")})
    if not tasks:
        raise RecordError(f"{folder}: no records (TASK/MODEL/seed-K.json); run an evaluation into this folder first")
    if task is not None and task not in tasks:
        raise UnknownNameError("task", task, tasks)
    return [_board(folder / name) for name in tasks if task in (None, name)]


def _board(folder: Path) -> Board:
    found: dict[str, list[tuple[Path, Record]]] = {}
    for path in sorted(folder.glob("*/seed-*.json")):
        record = read_record(path)
        if record.model.name != path.parent.name:
            raise RecordError(
                f"{path}: is a record of the row '{record.model.name}', and records of one row are pooled; give the "
                "folder that name"
            )
        found.setdefault(record.model.name, []).append((path, record))
    records = [record for entries in found.values() for _, record in entries]
    versions = {record.task_version for record in records}
    if len(versions) > 1:
        raise RecordError(
            f"{folder}: records of task versions {sorted(versions)} side by side cannot be compared; "
            "delete the older ones and run again"
        )
    scores = _columns(folder, records)
    rows = [_row(sorted(entries, key=lambda entry: entry[1].seed), scores) for entries in found.values()]
    rows = _without_what_the_truth_lacks(rows, scores)
    return Board(folder.name, versions.pop(), scores, tuple(sorted(rows, key=_place)))


def _without_what_the_truth_lacks(rows: Sequence[Row], scores: Sequence[ScoreInfo]) -> list[Row]:
    """Rows with "not applicable" in the variants that are undefined for the oracle, such as prolines without a proline.

    A main score that the true atoms cannot have stays what it is, since then the metric itself failed.
    """
    oracle = next((row for row in rows if row.name == "oracle"), None)
    if oracle is None:
        return list(rows)
    cell = Cell("not applicable", reason="undefined for the true atoms: the molecule has nothing to measure")
    lacking = {each.id: cell for each in scores if not each.main and oracle.cells[each.id].status == "undefined"}
    return [replace(row, cells={**row.cells, **lacking}) for row in rows]


def _place(row: Row) -> tuple[bool, int, str]:
    order: int = CONTROL_ORDER.index(row.name) if row.name in CONTROL_ORDER else len(CONTROL_ORDER)
    return row.control, order, row.name


def _columns(folder: Path, records: Sequence[Record]) -> tuple[ScoreInfo, ...]:
    """Every score by metric, checked to be the same score in all records; a metric that failed in all has one."""
    columns: dict[str, dict[str, ScoreInfo]] = {}
    versions: dict[str, int] = {}
    for record in records:
        for metric, entry in record.metrics.items():
            columns.setdefault(metric, {})
            if versions.setdefault(metric, entry.version) != entry.version:
                raise RecordError(
                    f"{folder}: {metric} has versions {versions[metric]} and {entry.version} in records that stand "
                    "side by side; run the older rows again"
                )
        for name, score in record.scores.items():
            info = ScoreInfo(
                name, score.metric, versions[score.metric], score.unit, score.ranked, score.distance, score.summary
            )
            columns[score.metric].setdefault(name, info)
    for metric, found in columns.items():
        if not found:
            found[metric] = _unscored(metric, versions[metric])
    return tuple(score for found in columns.values() for score in found.values())


def _unscored(metric: str, version: int) -> ScoreInfo:
    """The column of a metric that no row has a score of, so that no record describes it."""
    if metric not in METRICS:
        return ScoreInfo(metric, metric, version, "", True, False, "No row could be scored.")
    found = metric_class(metric)
    score = found.scores[0]
    distance = score.ranked and (found.distance or not found.paired)
    return ScoreInfo(score.id, metric, version, score.unit, score.ranked, distance, score.summary)


def _row(entries: Sequence[tuple[Path, Record]], scores: Sequence[ScoreInfo]) -> Row:
    paths, records = zip(*entries, strict=True)
    if len({record.fingerprint for record in records}) > 1:
        name, seeds = records[0].model.name, ", ".join(str(record.seed) for record in records)
        raise RecordError(
            f"{paths[0].parent}: seeds {seeds} of '{name}' are not of one model, task and scoring code, so that they "
            f"cannot be pooled; run it again with --resume and --seeds {records[-1].seed + 1}, or delete the older ones"
        )
    replicates = [read_statistics(path)[1] for path in paths]
    # The row's own draws: seeds of two models with the same number are not a pair, so rows must not share them.
    rng = np.random.default_rng(zlib.crc32(records[0].model.name.encode()))
    longest = max(record.replicates for record in records)
    picks = rng.integers(0, len(records), (longest, len(records)))
    cells = {score.id: _cell(score, records, replicates, picks) for score in scores}
    return Row(records[0].model, records, paths, cells)


def _cell(
    score: ScoreInfo, records: Sequence[Record], replicates: Sequence[Mapping[str, Values]], picks: NDArray[np.int64]
) -> Cell:
    for record in records:
        entry = record.metrics.get(score.metric)
        if entry is None:
            return Cell("not scored", reason=f"{score.metric} was left out of this run")
        if entry.status != "ok":
            seed = f"seed {record.seed}: " if len(records) > 1 and entry.reason else ""
            return Cell(entry.status, reason=seed + entry.reason)
    entries = [record.scores[score.id] for record in records if score.id in record.scores]
    values = [entry.value for entry in entries if entry.value is not None]
    if len(values) < len(records):
        return Cell("undefined", reason="undefined for this row")
    draws = [each[score.id] for each in replicates if score.id in each]
    if len(records) == 1:
        bounds = [float("nan") if bound is None else bound for bound in (entries[0].low, entries[0].high)]
        return Cell("ok", values[0], bounds[0], bounds[1], "", draws[0] if draws else None)
    value = float(np.mean(values))
    nested = _nest(draws, picks) if len(draws) == len(records) else None
    blocks = min(record.blocks for record in records)
    low, high = interval(value, nested if nested is not None else [], CONFIDENCE, score.distance, blocks)
    return Cell("ok", value, low, high, "", nested)


def _nest(draws: Sequence[Values], picks: NDArray[np.int64]) -> Values:
    """Replicates of the mean over seeds: blocks are drawn first, then seeds with replacement within each replicate.

    Drawn from n seeds, the mean of n picks spreads too little by sqrt((n - 1) / n), which for two or three seeds is
    much; its deviation from the mean of all seeds is widened accordingly.
    """
    length = min(len(picks), *(len(each) for each in draws))
    stacked = np.stack([each[:length] for each in draws])
    centre = stacked.mean(axis=0)
    picked = stacked[picks[:length], np.arange(length)[:, None]].mean(axis=1)
    nested: Values = centre + np.sqrt(len(draws) / (len(draws) - 1)) * (picked - centre)
    return nested
