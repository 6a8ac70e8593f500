"""Small output folders, written as an evaluation writes them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.board import standings
from backmapbench.intervals import interval
from backmapbench.metrics import bond_length, energy, velocity
from backmapbench.metrics.base import Additive
from backmapbench.records import (
    SCHEMA_VERSION,
    Cost,
    MetricEntry,
    ModelEntry,
    Record,
    ScoreEntry,
    record_path,
    write_record,
)
from backmapbench.tasks.card import find_card, read_card

TASK = "adp-mini-temporal"
VERSION = read_card(find_card(TASK)).version
REPLICATES = 200
JITTERS = ("jitter-0.05", "jitter-0.1", "jitter-0.3")
CONTROLS = ("oracle", "fresh-md", "lookup", "bead-centre", "shuffled", "mirror", *JITTERS)
# Unit, and whether the score is a distance
METRICS = {
    "rmsd_angstrom": ("angstrom", False),
    "clash_percent": ("%", False),
    "bond_length_w1_angstrom": ("angstrom", True),
    "cg_consistency_angstrom": ("angstrom", False),
    "energy_w1_kt": ("kT", True),
    "fes_rmse_kt": ("kT", True),
    "velocity_w1": ("nm/ps", True),
}
FRESH_IS_NO_PAIR = ("rmsd_angstrom", "cg_consistency_angstrom")
# Of the control rows, in the order of CONTROLS
VALUES = {
    "rmsd_angstrom": (0.0, 9.0, 0.9, 2.1, 3.5, 1.7, 0.087, 0.17, 0.52),
    "clash_percent": (0.0,) * 9,
    "bond_length_w1_angstrom": (0.0, 0.01, 0.02, 1.2, 0.0, 0.0, 0.015, 0.05, 0.3),
    "cg_consistency_angstrom": (0.0, 9.0, 0.0, 0.0, 3.0, 1.0, 0.05, 0.1, 0.3),
    "energy_w1_kt": (0.0, 0.2, 0.5, 1e4, 0.0, 0.0, 12.0, 50.0, 600.0),
    "fes_rmse_kt": (0.0, 0.3, 0.02, 0.0, 0.0, 0.4, 0.02, 0.03, 0.06),
    "velocity_w1": (0.0, 0.001, 0.02, 0.01, 0.08, 0.001, 0.002, 0.01, 0.03),
}

STATES, BINS, BLOCKS, FRAMES = 4, 10, 24, 500


def sparse_rows(cells: NDArray[np.int64], width: int) -> sparse.csr_array:
    """Counts (blocks, width) of ``cells`` (blocks, frames), as records stack sparse rows."""
    rows = np.repeat(np.arange(len(cells)), cells.shape[1])
    return sparse.coo_array((np.ones(cells.size), (rows, cells.ravel())), shape=(len(cells), width)).tocsr()


def describe(rng: np.random.Generator, shift: float) -> dict[str, dict[str, Additive]]:
    """One side's block statistics of the plotted metrics, in the shapes that the metrics document."""
    shape = (BLOCKS, FRAMES)
    energies = np.clip((rng.normal(shift, 3.0, shape) + energy.CEILING_KT) / energy.CELL_KT, 0, 1_999_999)
    speeds = np.abs(rng.normal(0.1 + shift / 1000, 0.02, shape)) / velocity.CELL
    states = rng.integers(0, STATES, shape)
    visits = states * BINS**2 + rng.integers(0, BINS**2, shape)
    lengths = {"C-C": (0.151, 0.003), "C-H": (0.109, 0.0)}
    bonds = {
        pair: sparse_rows((rng.normal(mean, sd, shape) / bond_length.CELL_NM).astype(np.int64), bond_length.CELLS)
        for pair, (mean, sd) in lengths.items()
    }
    transitions = np.tile(np.eye(STATES) * 500 + 10.0, (BLOCKS, 1, 1))
    return {
        "energy_w1_kt": {"energies": sparse_rows(energies.astype(np.int64), 2_000_000)},
        "velocity_w1": {"speeds": sparse_rows(speeds.astype(np.int64), velocity.BINS)},
        "fes_rmse_kt": {"visits": sparse_rows(visits, STATES * BINS**2), "transitions": transitions},
        "timescale_log_error": {"transitions": transitions},
        "bond_length_w1_angstrom": bonds,
    }


def make_statistics(shift: float) -> dict[str, dict[str, dict[str, Additive]]]:
    """Block statistics of a row whose energies lie ``shift`` kT too high."""
    reference, prediction = describe(np.random.default_rng(0), 0.0), describe(np.random.default_rng(1), shift)
    return {
        metric: {"reference": reference[metric], "prediction": prediction[metric], "paired": {}} for metric in reference
    }


def make_replicates(name: str, seed: int, metric: str, value: float, spread: float) -> NDArray[np.float64]:
    """Replicates (REPLICATES,): a part that all rows share, as they share draws of the reference, and their own."""
    shared = np.random.default_rng(zlib.crc32(metric.encode())).normal(0.0, 1.0, REPLICATES)
    own = np.random.default_rng([zlib.crc32(f"{name} {metric}".encode()), seed]).normal(0.0, 1.0, REPLICATES)
    return np.abs(value * (1 + 0.05 * shared + spread * own))


def write_row(
    folder: Path,
    name: str,
    values: Mapping[str, float | None],
    kind: str = "control",
    seed: int = 0,
    failed: Mapping[str, str] | None = None,
    spread: float = 0.02,
    plotted: bool = False,
    **changes: Any,
) -> Record:
    """One record with ``values`` by metric (None: undefined); metrics in ``failed`` have only their reason.

    ``changes`` replaces fields of the record, or of its model entry (description, citation, origin, licence).
    """
    failed = failed or {}
    entries, scores, replicates = {}, {}, {}
    for metric in [*values, *failed]:
        if metric in failed:
            entries[metric] = MetricEntry(version=1, status="failed", reason=failed[metric])
            continue
        if name == "fresh-md" and metric in FRESH_IS_NO_PAIR:
            entries[metric] = MetricEntry(version=1, status="no pair", reason="frames are not those of the reference")
            continue
        entries[metric] = MetricEntry(version=1, status="ok")
        unit, distance = METRICS[metric]
        value = values[metric]
        draws = make_replicates(name, seed, metric, value or 0.0, spread)
        low, high = (None, None) if value is None else interval(value, draws, 0.95, distance, BLOCKS)
        replicates[metric] = draws
        scores[metric] = ScoreEntry(
            metric=metric,
            unit=unit,
            ranked=True,
            distance=distance,
            summary=f"What {metric} says.",
            value=value,
            low=low,
            high=high,
        )
    described = {key: changes.pop(key) for key in ("description", "citation", "licence", "origin") if key in changes}
    model = {"description": f"The row {name}.", "origin": "harness"} | described
    record = Record(
        schema_version=SCHEMA_VERSION,
        task=TASK,
        task_version=VERSION,
        key="0" * 64,
        model=ModelEntry(name=name, kind=kind, looks_ahead=False, **model),
        seed=seed,
        samples=1,
        blocks=changes.pop("blocks", 24),
        frames=FRAMES * BLOCKS,
        replicates=REPLICATES,
        metrics=entries,
        scores=scores,
        cost=Cost(
            fit_seconds=12.5,
            backmap_seconds=1.0,
            seconds_per_frame=2.5e-5,
            score_seconds=9.0,
            peak_memory_MB=512.0,
            device="cpu",
        ),
        provenance={"git_commit": "abc123", "versions": {"numpy": "2.0"}, "started": f"day {seed}"},
        statistics_sha256="",
    ).model_copy(update=changes)
    statistics = make_statistics(values.get("energy_w1_kt") or 0.0) if plotted else {}
    return write_record(record_path(folder, record.task, name, seed), record, statistics, replicates)


def write_controls(folder: Path, without: tuple[str, ...] = (), plotted: tuple[str, ...] = (), **values: Any) -> None:
    """All control rows but those in ``without``; ``values`` replaces the nine values of a metric."""
    table = VALUES | values
    for index, name in enumerate(CONTROLS):
        if name not in without:
            write_row(folder, name, {metric: row[index] for metric, row in table.items()}, plotted=name in plotted)


GOOD = {
    "rmsd_angstrom": 0.4,
    "clash_percent": 0.0,
    "bond_length_w1_angstrom": 0.03,
    "cg_consistency_angstrom": 0.001,
    "energy_w1_kt": 3.0,
    "fes_rmse_kt": 0.0,
    "velocity_w1": 0.002,
}
"""A model that does well at everything but is no leak."""


@pytest.fixture(scope="session", autouse=True)
def nothing_frozen() -> Iterator[None]:
    """Boards of these tests are judged by their own controls, whatever is frozen with the task's version."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standings, "read_frozen", lambda task, version: None)
        yield


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """What tests build folders from."""
    return SimpleNamespace(
        TASK=TASK,
        VERSION=VERSION,
        CONTROLS=CONTROLS,
        VALUES=VALUES,
        GOOD=GOOD,
        write_row=write_row,
        write_controls=write_controls,
    )


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All controls, a good model with two seeds and one of which two metrics failed; with plots. Not to be altered."""
    made = tmp_path_factory.mktemp("records")
    write_controls(made, plotted=("oracle", "fresh-md", "jitter-0.3"))
    for seed in (0, 1):
        shifted = {metric: value * (1 + 0.1 * seed) for metric, value in GOOD.items()}
        write_row(made, "good", shifted, kind="model", seed=seed, plotted=True)
    broken = {metric: value for metric, value in GOOD.items() if metric not in ("energy_w1_kt", "rmsd_angstrom")}
    reasons = {"energy_w1_kt": "ValueError: <b>no</b> & such energy"}
    write_row(made, "broken", broken | {"rmsd_angstrom": None}, kind="model", failed=reasons)
    return made
