"""From raw files to the processed form: atoms by name, one store of all frames, checks against the card, a manifest."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import mdtraj
import numpy as np

from backmapbench.datasets.download.layout import OWN_TOPOLOGY, topology_file, trajectory_files
from backmapbench.datasets.download.partial import local_errors
from backmapbench.datasets.processed import FOLDER, MANIFEST, Manifest
from backmapbench.datasets.schema import FileEntry, PaperCard, Source
from backmapbench.datasets.splits import divide
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError
from backmapbench.files import atomic_write, sha256, sweep_unfinished

if TYPE_CHECKING:
    from backmapbench.datasets.readers import RawTrajectory

FLOAT32_XYZ = 12
STORE = "store"
TOPOLOGY = "topology.pdb"
REPORTS = 3  # kinds of match listed; real sources have one


def store_bytes(card: PaperCard, source: Source) -> int:
    """Bytes that the store of all frames will take; 0 where their number is not known."""
    return (source.frames or 0) * card.atoms * FLOAT32_XYZ


def build(
    card: PaperCard,
    name: str,
    roots: Sequence[Path],
    folder: Path,
    *,
    origin: str,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Process the files of source ``name`` that lie in ``roots`` into ``folder``; goes on after an interruption.

    Raises DataError when atoms, trajectories, frames or spacing are not what the card says.
    """
    from backmapbench.datasets.readers import ingest, open_split

    source = card.sources[name]
    named_by = topology_file(source, roots)
    raw = [_raw(path, named_by) for path in trajectory_files(source, roots)]
    wanted = _wanted(card, named_by or raw[0].path)
    entries = _entries([*([named_by] if named_by else []), *(one.path for one in raw)])
    home = folder / FOLDER
    key = _key(card, name, entries)
    with local_errors(home):
        _drop_damaged(home / key / STORE)
        store = ingest(
            raw,
            wanted,
            home / key / STORE,
            frame_ps=source.frame_ps,
            progress=progress,
            unit=source.array_unit if raw[0].path.suffix in (".npy", ".npz") else None,
        )
        data = open_split(store)
        try:
            _check(card, source, data, roots[0])
        except DataError:
            shutil.rmtree(home / key)  # data that are not the card's would only take room
            raise
        sweep_unfinished(home / key / TOPOLOGY)
        _write_topology(home / key / TOPOLOGY, wanted, data.positions[0])
        files = sorted(path for path in store.iterdir() if path.is_file())
        manifest = Manifest(
            schema_version=1,
            dataset=card.name,
            card_version=card.version,
            source=name,
            origin=origin,
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            store=f"{key}/{STORE}",
            topology=_entry(home / key / TOPOLOGY, home),
            store_files=[_entry(path, home) for path in files],
            lengths=list(data.lengths),
            frame_ps=data.frame_ps,
            raw=entries,
            notes=[*_notes(card, source), *_findings(store, source)],
        )
        sweep_unfinished(home / MANIFEST)
        with atomic_write(home / MANIFEST, "w") as handle:
            handle.write(manifest.model_dump_json(indent=1))
    for old in home.iterdir():
        if old.is_dir() and old.name != key:
            shutil.rmtree(old, ignore_errors=True)
    return manifest


def _drop_damaged(store: Path) -> None:
    """Remove a store that was altered since it was made: it would pass for the data from then on."""
    from backmapbench.datasets.readers.store import POSITIONS, read_lengths

    if not store.exists():
        return
    try:
        whole = read_lengths(store).get("positions_sha256") == sha256(store / POSITIONS)
    except (DataError, OSError):
        whole = False
    if not whole:
        shutil.rmtree(store)


def _raw(path: Path, named_by: Path | None) -> RawTrajectory:
    from backmapbench.datasets.readers import RawTrajectory

    return RawTrajectory(path, None if path.suffix.lower() in OWN_TOPOLOGY else named_by)


def _wanted(card: PaperCard, file: Path) -> mdtraj.Topology:
    """The atoms to keep: those of the card's residues, or the selected ones of the source's own topology."""
    from backmapbench.datasets.readers import read_topology
    from backmapbench.datasets.sequence import topology_of

    selection = card.selection
    if selection.residues:
        wanted = topology_of(selection)
    else:
        whole = read_topology(file)
        kept = [
            a.index for a in whole.atoms if a.residue.is_protein and (selection.hydrogens or a.element.symbol != "H")
        ]
        wanted = whole.subset(np.array(kept, dtype=int))
    found = (wanted.n_atoms, wanted.n_residues)
    if found != (card.atoms, selection.residue_count):
        raise DataError(
            f"{file}: {found[0]} atoms in {found[1]} residues are selected, the card of {card.name} says {card.atoms} "
            f"in {selection.residue_count}; give the molecule that the card describes"
        )
    return wanted


def _check(card: PaperCard, source: Source, data: Trajectories, place: Path) -> None:
    """Frames in all, and that every variant's cuts fit."""
    if source.frames is not None and len(data) != source.frames:
        raise DataError(f"{place}: holds {len(data)} frames, the card of {card.name} says {source.frames}; complete it")
    for variant in card.variants.values():
        divide(data.lengths, variant)


def _notes(card: PaperCard, source: Source) -> list[str]:
    """What the checks could not check."""
    missing = [
        what
        for what, value in (
            ("frames", source.frames),
            ("trajectories", source.trajectories),
            ("spacing", source.frame_ps),
        )
        if value is None
    ]
    notes = [f"the card states no number to hold these against: {', '.join(missing)}"] if missing else []
    if not card.selection.residues:
        notes.append("atoms and residues were counted; their names are the source's own")
    return notes


def _findings(store: Path, source: Source) -> list[str]:
    """What the readers found: how atoms were matched, and what files without times leave unchecked."""
    from backmapbench.datasets.readers.store import read_lengths

    found = read_lengths(store)["sources"]
    reports = Counter(entry["match"] for entry in found)
    notes = [f"{count} of {len(found)} trajectories: {report}" for report, count in reports.most_common(REPORTS)]
    exchanged = sum(bool(entry["exchanged_hydrogens"]) for entry in found)
    if exchanged:
        notes.append(f"{exchanged} of {len(found)} trajectories: hydrogens of CH2 groups renamed by geometry")
    untimed = sum(not entry["timed"] for entry in found)
    if untimed and source.frame_ps is not None:
        notes.append(f"{untimed} of {len(found)} files carry no times: {source.frame_ps:g} ps is the card's word")
    return notes


def _write_topology(path: Path, topology: mdtraj.Topology, positions: np.ndarray) -> None:
    """A PDB file as OpenMM writes it, without the line that holds the date: the same file from the same data."""
    from openmm import unit
    from openmm.app import PDBFile

    text = io.StringIO()
    PDBFile.writeFile(topology.to_openmm(), np.asarray(positions, dtype=float) * unit.nanometer, text, keepIds=True)
    lines = [line for line in text.getvalue().splitlines(keepends=True) if not line.startswith("REMARK")]
    with atomic_write(path, "w") as handle:
        handle.writelines(lines)


def _key(card: PaperCard, name: str, entries: Sequence[FileEntry]) -> str:
    """Name of the folder for these files under this card."""
    settings = [card.name, card.version, name, card.selection.model_dump(), card.sources[name].frame_ps]
    content = json.dumps([settings, [(entry.path, entry.sha256) for entry in entries]])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _entries(paths: Sequence[Path]) -> list[FileEntry]:
    """Name, size and hash of the raw files; the same file is listed once."""
    return [FileEntry(path=path.name, sha256=sha256(path), bytes=path.stat().st_size) for path in dict.fromkeys(paths)]


def _entry(path: Path, home: Path) -> FileEntry:
    return FileEntry(path=path.relative_to(home).as_posix(), sha256=sha256(path), bytes=path.stat().st_size)
