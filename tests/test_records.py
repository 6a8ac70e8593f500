"""Seeds of one row: pooled where they belong together, set aside where they do not."""

import json

import numpy as np
import pytest

from backmapbench.board.rows import collect
from backmapbench.errors import RecordError
from backmapbench.records import (
    SCHEMA_VERSION,
    STALE,
    Cost,
    MetricEntry,
    ModelEntry,
    Record,
    ScoreEntry,
    read_record,
    record_path,
    set_aside,
    write_record,
)

TASK, ROW, SCORE = "toy-task", "mine", "rmsd_angstrom"


def write(folder, seed, fingerprint, value=1.0, row=ROW):
    score = ScoreEntry(
        metric=SCORE, unit="", ranked=True, distance=False, summary="s", value=value, low=value, high=value
    )
    cost = Cost(fit_seconds=0, backmap_seconds=1, seconds_per_frame=1, score_seconds=1, peak_memory_MB=1, device="cpu")
    record = Record(
        schema_version=SCHEMA_VERSION,
        task=TASK,
        task_version=1,
        key=f"{fingerprint}{seed}",
        fingerprint=fingerprint,
        model=ModelEntry(name=row, kind="model", description="", looks_ahead=False, origin="test"),
        seed=seed,
        samples=1,
        blocks=20,
        frames=10,
        replicates=10,
        metrics={SCORE: MetricEntry(version=1, status="ok")},
        scores={SCORE: score},
        cost=cost,
        provenance={},
        statistics_sha256="",
    )
    path = record_path(folder, TASK, row, seed)
    write_record(path, record, {}, {SCORE: np.full(10, value)})
    return path


def test_stale_seeds_are_set_aside_whole_and_others_stay(tmp_path):
    path = write(tmp_path, 0, "new")
    fitting, stale = write(tmp_path, 1, "new"), write(tmp_path, 2, "old", value=9.0)
    before = read_record(stale)
    assert set_aside(path, "new") == [2]
    assert not stale.exists()
    assert not stale.with_suffix(".npz").exists()
    assert read_record(path.parent / STALE / "seed-2.json") == before
    assert fitting.is_file()
    (board,) = collect(tmp_path)
    assert board.row(ROW).seeds == (0, 1)
    assert board.cell(ROW, SCORE).value == 1.0
    assert set_aside(path, "new") == []


def test_a_record_without_a_fingerprint_is_of_older_code(tmp_path):
    path, older = write(tmp_path, 0, "new"), write(tmp_path, 1, "old")
    content = json.loads(older.read_text(encoding="utf-8"))
    del content["fingerprint"]
    older.write_text(json.dumps(content), encoding="utf-8")
    assert set_aside(path, "new") == [1]


def test_a_board_pools_no_seeds_of_different_models(tmp_path):
    write(tmp_path, 0, "new")
    write(tmp_path, 1, "old")
    with pytest.raises(RecordError, match="seeds 0, 1 of 'mine' are not of one model") as caught:
        collect(tmp_path)
    assert "--seeds 2" in str(caught.value)


def test_a_copied_folder_is_not_pooled_with_the_row_it_was_copied_from(tmp_path):
    path = write(tmp_path, 0, "new")
    path.parent.rename(path.parent.with_name("kept"))
    write(tmp_path, 1, "new")
    with pytest.raises(RecordError, match=r"kept.*is a record of the row 'mine'"):
        collect(tmp_path)
