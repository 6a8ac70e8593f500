"""Raw trajectories of any format into one store: atoms matched, molecules whole, checked, and safe to interrupt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import mdtraj

from backmapbench.datasets.readers.chunks import Unit
from backmapbench.datasets.readers.conversion import Conversion, Converter
from backmapbench.datasets.readers.journal import Journal
from backmapbench.datasets.readers.store import LENGTHS, POSITIONS, SCHEMA, RawTrajectory, read_lengths, write_header
from backmapbench.errors import DataError
from backmapbench.files import atomic_write, sha256, sweep_unfinished


def ingest(
    raw: Sequence[RawTrajectory],
    wanted: mdtraj.Topology,
    out: Path,
    *,
    frame_ps: float | None,
    stride: int = 1,
    make_whole: bool = True,
    progress: Callable[[int, int], None] | None = None,
    unit: Unit | None = None,
    key: str | None = None,
    truncated: Literal["error", "read"] = "error",
) -> Path:
    """Write the trajectories ``raw``, in their order, as one store folder ``out``; returns ``out``.

    Every trajectory is streamed: the atoms of ``wanted`` are found by residue and name, molecules are made whole, the
    two hydrogens of CH2 groups named by geometry, non-finite values refused. The folder holds ``positions.npy``
    (float32 (frames, atoms, 3), nm, C order) and ``lengths.json`` (frames of each trajectory, ``frame_ps``, settings,
    and of each source its hash and what was found in it). It appears complete or not at all. Work goes on in a hidden
    folder beside it, trajectory by trajectory: the same call after an interruption continues there, and after success
    does nothing.

    Args:
        raw: the files, each one independent trajectory.
        wanted: atoms to store, in the order to store them.
        out: folder to create.
        frame_ps: time between stored frames (after ``stride``), ps; None for frames without a time. Given, it is held
            against the times that a file carries.
        stride: every how many-th frame of each file to keep.
        make_whole: False leaves positions as they are (for data without a box or already whole).
        progress: called with the number of trajectories done and of all, after each.
        unit: of npy and npz files, see ``stream``.
        key: the array of npz files that hold several, see ``stream``.
        truncated: whether a file that ends too early is refused or read as far as it goes, which is then noted.

    Raises:
        DataError: for anything wrong with the input; when ``out`` exists with other content; when another process is
            writing the same folder.
    """
    if not raw:
        raise DataError(f"{out}: no trajectory given; list at least one file")
    if frame_ps is not None and not 0 < frame_ps < float("inf"):
        raise DataError(f"{out}: frame_ps = {frame_ps}; give a time above 0 ps, or None for frames without a time")
    conversion = Conversion(wanted, frame_ps, stride, make_whole, unit, key, truncated)
    settings = _settings(conversion)
    if out.exists():
        return _same_or_refuse(out, raw, settings)
    out.parent.mkdir(parents=True, exist_ok=True)
    with Journal(out.parent / f".{out.name}.partial", settings, wanted.n_atoms) as journal:
        if out.exists():  # another process finished between the first look and the lock
            return _same_or_refuse(out, raw, settings)
        _convert(raw, Converter(conversion), journal, progress)
        _finish(journal, wanted.n_atoms, settings)
        journal.move_to(out)
    return out


def _convert(
    raw: Sequence[RawTrajectory],
    converter: Converter,
    journal: Journal,
    progress: Callable[[int, int], None] | None,
) -> None:
    sources = (_source(one) for one in raw)
    done = journal.keep_while_equal(sources)
    for number, one in enumerate(raw):
        if number >= done:
            frames = converter.frames(one)
            written = sum(journal.write(positions) for positions in frames)
            journal.record(_source(one) | {"frames": written} | converter.found)
        if progress is not None:
            progress(number + 1, len(raw))


def _finish(journal: Journal, atoms: int, settings: dict[str, Any]) -> None:
    lengths = [entry["frames"] for entry in journal.entries]
    with (journal.folder / POSITIONS).open("r+b") as handle:
        write_header(handle, sum(lengths), atoms)
    content = {
        "schema_version": SCHEMA,
        "atoms": atoms,
        "frame_ps": settings["frame_ps"],
        "lengths": lengths,
        "positions_sha256": sha256(journal.folder / POSITIONS),
        "settings": settings,
        "sources": journal.entries,
    }
    sweep_unfinished(journal.folder / LENGTHS)
    with atomic_write(journal.folder / LENGTHS, "w") as handle:
        json.dump(content, handle, indent=1)


def _settings(conversion: Conversion) -> dict[str, Any]:
    """Everything that the stored numbers depend on besides the sources."""
    atoms = "\n".join(f"{atom.residue.name}{atom.residue.resSeq}:{atom.name}" for atom in conversion.wanted.atoms)
    settings = {name: value for name, value in vars(conversion).items() if name != "wanted"}
    return settings | {"atoms_sha256": hashlib.sha256(atoms.encode()).hexdigest()}


def _source(raw: RawTrajectory) -> dict[str, Any]:
    """A trajectory by name, size and hash, and the hash of its topology."""
    for path in (raw.path, raw.topology):
        if path is not None and not path.is_file():
            raise DataError(f"{path}: no such file; correct the list of trajectories")
    return {
        "file": raw.path.name,
        "bytes": raw.path.stat().st_size,
        "sha256": sha256(raw.path),
        "topology_sha256": None if raw.topology is None else sha256(raw.topology),
    }


def _same_or_refuse(out: Path, raw: Sequence[RawTrajectory], settings: dict[str, Any]) -> Path:
    about = read_lengths(out)
    if about["settings"] == settings and len(about["sources"]) == len(raw):
        sources = [
            {name: entry[name] for name in _source(one)} for entry, one in zip(about["sources"], raw, strict=True)
        ]
        if sources == [_source(one) for one in raw]:
            return out
    raise DataError(f"{out}: exists and was made from other files or settings; remove it or choose another folder")
