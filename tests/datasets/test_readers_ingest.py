"""Raw trajectories into a store: matched, whole, checked, atomic and resumable."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import filelock
import mdtraj
import numpy as np
import pytest

from backmapbench.datasets.catalogue import ROOT
from backmapbench.datasets.readers import RawTrajectory, ingest, open_split, read_topology
from backmapbench.datasets.readers.store import read_lengths
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError

PDB = ROOT / "recipes" / "ace-ala-nme.pdb"
WANTED = read_topology(PDB)
LENGTHS = (30, 7, 12)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Three wrapped trajectories with their atoms in another order, and what they should become."""
    folder = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(3)
    start = mdtraj.load(str(PDB))
    order = np.concatenate([rng.permutation([a.index for a in residue.atoms]) for residue in start.topology.residues])
    lines = [line for line in PDB.read_text().splitlines() if line.startswith(("ATOM", "HETATM"))]
    (folder / "order.pdb").write_text("\n".join(lines[k] for k in order))
    shuffled = read_topology(folder / "order.pdb")
    expected, raw = [], []
    for number, length in enumerate(LENGTHS):
        xyz = (start.xyz + np.cumsum(rng.normal(scale=0.003, size=(length, 22, 3)), axis=0)).astype(np.float32)
        expected.append(xyz)
        wrapped = (xyz + 2.7 * rng.integers(-1, 2, size=(length, 22, 3)))[:, order].astype(np.float32)
        trajectory = mdtraj.Trajectory(wrapped, shuffled, time=10.0 * number + 2.0 * np.arange(length))
        trajectory.unitcell_lengths, trajectory.unitcell_angles = np.full((length, 3), 2.7), np.full((length, 3), 90.0)
        trajectory.save(str(folder / f"{number}.trr"))
        raw.append(RawTrajectory(folder / f"{number}.trr", folder / "order.pdb"))
    return raw, expected


def _centred(xyz):
    return xyz - xyz.mean(axis=1, keepdims=True)


def _same(store, expected, stride=1):
    data = open_split(store)
    assert len(data.lengths) == len(expected)
    for ours, theirs in zip(data, expected, strict=True):
        assert ours.shape == theirs[::stride].shape
        assert np.abs(_centred(ours) - _centred(theirs[::stride])).max() < 1e-5


@pytest.mark.parametrize("stride", [1, 4])
def test_positions_are_matched_whole_and_in_order(sources, tmp_path, stride):
    raw, expected = sources
    seen = []
    out = ingest(
        raw,
        WANTED,
        tmp_path / "deep" / "store",
        frame_ps=2.0 * stride,
        stride=stride,
        progress=lambda *a: seen.append(a),
    )
    assert out == tmp_path / "deep" / "store"
    _same(out, expected, stride)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert open_split(out).frame_ps == 2.0 * stride
    assert sorted(path.name for path in out.iterdir()) == ["lengths.json", "positions.npy"]
    assert [path.name for path in out.parent.iterdir()] == ["store"]
    about = read_lengths(out)
    assert [entry["file"] for entry in about["sources"]] == ["0.trr", "1.trr", "2.trr"]
    assert "reordered" in about["sources"][0]["match"]


def test_the_store_is_a_map_that_trajectories_take(sources, tmp_path):
    raw, _ = sources
    data = open_split(ingest(raw, WANTED, tmp_path / "store", frame_ps=None))
    assert isinstance(data, Trajectories)
    assert isinstance(data.positions, np.memmap)
    assert data.positions.dtype == np.float32
    assert data.positions.flags.c_contiguous
    assert not data.positions.flags.writeable
    assert (len(data), data.lengths, data.frame_ps) == (49, LENGTHS, None)
    moved = data.replace_positions(data.positions[:, :5] + 1)
    assert moved.positions.shape == (49, 5, 3)
    assert moved.lengths == LENGTHS
    assert [len(part) for part in data] == list(LENGTHS)


def test_the_same_call_again_does_nothing_and_another_one_is_refused(sources, tmp_path):
    raw, _ = sources
    out = ingest(raw, WANTED, tmp_path / "store", frame_ps=2.0)
    stamp = (out / "positions.npy").stat().st_mtime_ns
    assert ingest(raw, WANTED, out, frame_ps=2.0) == out
    assert (out / "positions.npy").stat().st_mtime_ns == stamp
    for other in ({"raw": raw[:2]}, {"raw": raw[::-1]}, {"frame_ps": None}):
        with pytest.raises(DataError, match="exists and was made from other files or settings"):
            ingest(**({"raw": raw, "wanted": WANTED, "out": out, "frame_ps": 2.0} | other))


def test_fewer_atoms_are_made_whole_over_those_left_out(sources, tmp_path):
    """The CA and the last carbon are far apart: only through the atoms between can their image be told."""
    raw, expected = sources
    keep = [atom.index for atom in WANTED.atoms if str(atom) in {"ACE1-CH3", "ALA2-CA", "NME3-C"}]
    out = ingest(raw, WANTED.subset(keep), tmp_path / "store", frame_ps=2.0)
    _same(out, [xyz[:, keep] for xyz in expected])


def test_without_making_whole_positions_stay(sources, tmp_path):
    raw, _ = sources
    out = ingest(raw[:1], WANTED, tmp_path / "store", frame_ps=2.0, make_whole=False)
    stored = mdtraj.load(str(raw[0].path), top=str(raw[0].topology))
    names = [str(atom) for atom in stored.topology.atoms]
    order = [names.index(str(atom)) for atom in WANTED.atoms]
    assert (open_split(out).positions == stored.xyz[:, order]).all()


def test_formats_mix_and_name_their_own_atoms(sources, tmp_path):
    raw, expected = sources
    whole = mdtraj.Trajectory(expected[1], mdtraj.load_topology(str(PDB)))
    whole.save(str(tmp_path / "models.pdb"))
    np.save(tmp_path / "array.npy", expected[2] * 10)
    mixed = [raw[0], RawTrajectory(tmp_path / "models.pdb"), RawTrajectory(tmp_path / "array.npy")]
    out = ingest(mixed, WANTED, tmp_path / "store", frame_ps=None, unit="angstrom")
    data = open_split(out)
    assert data.lengths == LENGTHS
    for ours, theirs, slack in zip(data, expected, (1e-5, 1e-4, 1e-5), strict=True):
        assert np.abs(_centred(ours) - _centred(theirs)).max() < slack


def _glycine_pair(folder):
    """A glycine, and the same with its two hydrogens under each other's names."""
    places = {
        "N": (0.0, 0.0, 0.0),
        "CA": (1.45, 0.0, 0.0),
        "HA2": (1.8, -0.5, -0.9),
        "HA3": (1.8, -0.5, 0.9),
        "C": (2.0, 1.4, 0.0),
        "O": (3.2, 1.6, 0.0),
    }
    for file, other in (("a", {}), ("b", {"HA2": "HA3", "HA3": "HA2"})):
        rows = [
            f"ATOM  {k + 1:5d}  {other.get(name, name):<3s} GLY A   1    "
            f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           {name[0]}"
            for k, (name, (x, y, z)) in enumerate(places.items())
        ]
        (folder / f"{file}.pdb").write_text("\n".join(["MODEL 1", *rows, "ENDMDL", ""]))
    return [RawTrajectory(folder / "a.pdb"), RawTrajectory(folder / "b.pdb")]


def test_hydrogens_of_methylene_groups_are_named_by_geometry(tmp_path):
    raw = _glycine_pair(tmp_path)
    out = ingest(raw, read_topology(raw[0].path), tmp_path / "store", frame_ps=None)
    first, second = open_split(out)
    assert (first == second).all()
    assert sorted(len(entry["exchanged_hydrogens"]) for entry in read_lengths(out)["sources"]) == [0, 1]


def test_spacing_is_held_against_the_times_in_the_file(sources, tmp_path):
    raw, _ = sources
    with pytest.raises(DataError, match=r"0\.trr: stored frame 1 comes 2 ps after the one before, frame_ps is 1"):
        ingest(raw, WANTED, tmp_path / "store", frame_ps=1.0)
    assert not (tmp_path / "store").exists()
    gap = mdtraj.load(str(raw[0].path), top=str(raw[0].topology))
    gap.time = np.concatenate([2.0 * np.arange(20), 2.0 * np.arange(21, 31)])
    gap.save(str(tmp_path / "gap.trr"))
    with pytest.raises(DataError, match="stored frame 20 comes 4 ps after"):
        ingest([RawTrajectory(tmp_path / "gap.trr", raw[0].topology)], WANTED, tmp_path / "gap", frame_ps=2.0)
    gap.time = np.zeros(30)  # times that mean nothing
    gap.save(str(tmp_path / "none.trr"))
    ingest([RawTrajectory(tmp_path / "none.trr", raw[0].topology)], WANTED, tmp_path / "none", frame_ps=None)


def test_late_times_in_single_precision_pass(sources, tmp_path):
    raw, _ = sources
    late = mdtraj.load(str(raw[0].path), top=str(raw[0].topology))
    late.time = (3e6 + np.arange(30) * 1.0).astype(np.float32)
    late.save(str(tmp_path / "late.trr"))
    ingest([RawTrajectory(tmp_path / "late.trr", raw[0].topology)], WANTED, tmp_path / "store", frame_ps=1.0)


def test_truncated_sources_are_refused_or_noted(sources, tmp_path):
    raw, expected = sources
    (tmp_path / "cut.trr").write_bytes(raw[0].path.read_bytes()[:-200])
    cut = [RawTrajectory(tmp_path / "cut.trr", raw[0].topology), raw[1]]
    with pytest.raises(DataError, match=r"cut\.trr: is damaged after frame 29"):
        ingest(cut, WANTED, tmp_path / "store", frame_ps=2.0)
    out = ingest(cut, WANTED, tmp_path / "store", frame_ps=2.0, truncated="read")
    _same(out, [expected[0][:29], expected[1]])
    assert "after frame 29" in read_lengths(out)["sources"][0]["truncated"]


class _Stop(Exception):  # noqa: N818  (not an error of the library)
    pass


@pytest.mark.parametrize("after", [1, 2, 3])
def test_interrupted_work_goes_on_where_it_stopped(sources, tmp_path, after):
    raw, expected = sources

    def stop(done, total):
        if done == after:
            raise _Stop

    with pytest.raises(_Stop):
        ingest(raw, WANTED, tmp_path / "store", frame_ps=2.0, progress=stop)
    assert not (tmp_path / "store").exists()
    notes = tmp_path / ".store.partial" / "journal.jsonl"
    assert len(notes.read_text().splitlines()) == 1 + after
    with notes.open("a") as handle:
        handle.write('{"file": "torn')
    with (tmp_path / ".store.partial" / "positions.npy").open("ab") as handle:
        handle.write(b"half a frame")
    _same(ingest(raw, WANTED, tmp_path / "store", frame_ps=2.0), expected)
    fresh = ingest(raw, WANTED, tmp_path / "fresh", frame_ps=2.0)
    for name in ("positions.npy", "lengths.json"):
        assert (fresh / name).read_bytes() == (tmp_path / "store" / name).read_bytes()


def test_interrupted_work_of_other_settings_or_sources_is_not_used(sources, tmp_path):
    raw, expected = sources

    def stop(done, total):
        if done == 2:
            raise _Stop

    for first, then in (
        ({"raw": raw, "frame_ps": None}, {"raw": raw, "frame_ps": 2.0}),
        ({"raw": [raw[0], raw[2], raw[1]], "frame_ps": 2.0}, {"raw": raw, "frame_ps": 2.0}),
    ):
        out = tmp_path / f"store-{first['frame_ps']}"
        with pytest.raises(_Stop):
            ingest(wanted=WANTED, out=out, progress=stop, **first)
        _same(ingest(wanted=WANTED, out=out, **then), expected)


def test_a_killed_process_leaves_nothing_under_the_final_name(sources, tmp_path):
    raw, expected = sources
    script = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from backmapbench.datasets.readers import RawTrajectory, ingest, read_topology
        raw = [RawTrajectory(Path(p), Path(t)) for p, t in {[(str(r.path), str(r.topology)) for r in raw]!r}]
        die = lambda done, total: os.kill(os.getpid(), signal.SIGKILL) if done == 2 else None
        ingest(raw, read_topology(Path({str(PDB)!r})), Path({str(tmp_path / "store")!r}), frame_ps=2.0, progress=die)
    """)
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert result.returncode == -signal.SIGKILL
    assert not (tmp_path / "store").exists()
    seen = []
    _same(ingest(raw, WANTED, tmp_path / "store", frame_ps=2.0, progress=lambda *a: seen.append(a)), expected)


def test_two_writers_of_one_store_do_not_meet(sources, tmp_path):
    (tmp_path / ".store.partial").mkdir()
    with (
        filelock.FileLock(tmp_path / ".store.partial" / "lock"),
        pytest.raises(DataError, match="another process is writing this store"),
    ):
        ingest(sources[0], WANTED, tmp_path / "store", frame_ps=2.0)
    ingest(sources[0], WANTED, tmp_path / "store", frame_ps=2.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"raw": []}, "no trajectory given"),
        ({"frame_ps": 0.0}, "give a time above 0 ps"),
        ({"frame_ps": float("nan")}, "give a time above 0 ps"),
        ({"raw": [RawTrajectory(PDB.with_name("none.xtc"))]}, r"none\.xtc: no such file"),
        ({"wanted": WANTED.subset([0, 8]), "raw": None}, ""),
    ],
)
def test_wrong_calls_are_refused(sources, tmp_path, arguments, message):
    if arguments.get("raw", 0) is None:
        arguments = {"raw": [RawTrajectory(sources[0][0].path)], "wanted": WANTED.subset([0, 8])}
        message = "holds 22 atoms, its topology 2"
    call = {"raw": sources[0], "wanted": WANTED, "out": tmp_path / "store", "frame_ps": 2.0} | arguments
    with pytest.raises(DataError, match=message):
        ingest(**call)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    "damage", ["positions cut", "positions gone", "lengths gone", "lengths wrong", "not json", "schema"]
)
def test_damaged_stores_are_one_clear_error(sources, tmp_path, damage):
    out = ingest(sources[0], WANTED, tmp_path / "store", frame_ps=2.0)
    positions, lengths = out / "positions.npy", out / "lengths.json"
    about = json.loads(lengths.read_text())
    if damage == "positions cut":
        positions.write_bytes(positions.read_bytes()[:-1])
    elif damage.endswith("gone"):
        (positions if "positions" in damage else lengths).unlink()
    elif damage == "not json":
        lengths.write_text("{")
    else:
        about["lengths" if "lengths" in damage else "schema_version"] = [1, 2] if "lengths" in damage else 2
        lengths.write_text(json.dumps(about))
    with pytest.raises(DataError, match=r"store/(positions\.npy|lengths\.json)"):
        open_split(out)
