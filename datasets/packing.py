"""From a finished simulation to an embedded dataset: deal to splits, round, store, measure, and write the card."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import tomli_w
from numpy.typing import NDArray

from backmapbench.datasets import codec
from backmapbench.datasets.catalogue import CARDS, ROOT
from backmapbench.datasets.measures import crossings, crossings_total, energy_shift, ensemble, unnatural
from backmapbench.datasets.simulation import Recipe, load_trajectory, simulation_provenance, start_structure
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError, DataError
from backmapbench.files import atomic_write, sha256


def pack(recipe: Recipe, run: Path, embedded: Path = ROOT / "embedded", cards: Path = CARDS) -> Path:
    """Deal the trajectories of the run folder ``run`` to the recipe's splits; returns the path of the card.

    Raises CardError for a recipe without an [embedded] table, DataError when a trajectory of the run is shorter than
    the recipe's or conformers are closer to one another than it promises.
    """
    if "embedded" not in recipe.settings:
        raise CardError(f"{recipe.path}: has no [embedded] table; add one to say what is packed")
    settings = recipe.settings["embedded"]
    home = embedded / recipe.name
    home.mkdir(parents=True, exist_ok=True)
    kept = _topology(start_structure(run), home / "topology.pdb", settings)
    topology = mdtraj.load_topology(str(home / "topology.pdb"))
    parents = codec.spanning_tree([(a.index, b.index) for a, b in topology.bonds], topology.n_atoms)
    whole = [_load(recipe, run, index)[:, kept] for index in range(recipe.trajectories)]
    torsion = _side_torsion(topology, settings)
    events = [crossings(Trajectories(part, (len(part),), 1.0), topology, torsion) for part in whole] if torsion else []
    rare = [index for index, event in enumerate(events) if event["entered_phi_positive"]]
    unfit = _unfit(whole, topology) if settings.get("trans_l_only", False) else []
    frame_ps = recipe.settings["frame_ps"] if recipe.frames() > 1 else None
    closest = settings.get("closest_ca_rmsd_angstrom")
    splits: dict[str, Any] = {}
    measured: dict[str, Any] = {}
    for name, sources in deal(recipe.trajectories, recipe.starts, rare, settings["splits"], unfit).items():
        lengths = tuple(len(whole[index]) for index in sources)
        exact = Trajectories(np.concatenate([whole[index] for index in sources]), lengths, frame_ps)
        path = home / f"{name}.npz"
        codec.write(path, exact, parents, settings["quantum_nm"])
        splits[name] = _file(path) | {"trajectories": len(sources), "frames": len(exact), "sources": sources}
        measured[name] = crossings(exact, topology, torsion) if torsion else ensemble(exact, topology)
        if name == "test" and settings["card"]["scored_force_field"]:
            stored = codec.read(path)
            measured["rounding"] = energy_shift(
                exact, stored, home / "topology.pdb", settings["card"]["scored_force_field"], recipe.temperature
            )
    if torsion:
        measured["whole_run"] = crossings_total(events)
    if closest is not None:
        kept_frames = np.concatenate([part for index, part in enumerate(whole) if index not in unfit])
        measured["whole_run"] = {"closest_ca_rmsd_angstrom": _apart(kept_frames, topology, closest, run)}
    if settings.get("trans_l_only", False):
        measured.setdefault("whole_run", {})["left_out_cis_or_inverted"] = len(unfit)
    content = {
        "schema_version": 1,
        "name": recipe.name,
        "title": recipe.settings["title"],
        "tier": "embedded",
        "version": settings["card"]["version"],
        "licence": settings["card"]["licence"],
        "citation": settings["card"]["citation"],
        "limits": settings["card"]["limits"],
        "frame_origin": settings["card"]["frame_origin"],
        "atoms": topology.n_atoms,
        "temperature_K": recipe.temperature,
        "topology": _file(home / "topology.pdb"),
        "force_field": {
            "simulated": recipe.settings["force_field"]["files"],
            "scored": settings["card"]["scored_force_field"],
        },
        "splits": splits,
        "measured": measured,
        "provenance": simulation_provenance(run) | {"command": f"backmapbench datasets simulate {recipe.name}"},
    }
    if frame_ps is not None:
        content["frame_ps"] = frame_ps
    card = cards / f"{recipe.name}.toml"
    with atomic_write(card) as handle:
        tomli_w.dump(content, handle, multiline_strings=True)
    return card


def deal(
    trajectories: int, starts: int, rare: list[int], splits: dict[str, int], unfit: Collection[int] = ()
) -> dict[str, list[int]]:
    """Which trajectories go to which split: ``rare`` ones in turn, then the free ones of each kind of start.

    Both go from the highest number down: the first trajectories of a run are those on which methods were tried out
    while it still ran. Trajectory i has start i modulo ``starts``; every split gets as many of each. ``unfit`` ones go
    nowhere.

    Raises CardError when a split's size is not a multiple of the starts or the trajectories do not suffice.
    """
    if any(size % starts for size in splits.values()):
        raise CardError(f"split sizes {splits} must be multiples of the {starts} kinds of start")
    room = {name: [size // starts] * starts for name, size in splits.items()}
    dealt: dict[str, list[int]] = {name: [] for name in splits}
    turn = 0
    for index in sorted(rare, reverse=True):
        for step in range(len(splits)):
            name = list(splits)[(turn + step) % len(splits)]
            if room[name][index % starts]:
                room[name][index % starts] -= 1
                dealt[name].append(index)
                turn += step + 1
                break
    free = [index for index in reversed(range(trajectories)) if index not in rare and index not in unfit]
    for name, places in room.items():
        for start in range(starts):
            chosen = [index for index in free if index % starts == start][: places[start]]
            if len(chosen) < places[start]:
                raise CardError(
                    f"{trajectories} trajectories do not fill split '{name}'; simulate more or ask for less"
                )
            taken = set(chosen)
            free = [index for index in free if index not in taken]
            dealt[name] += chosen
    return {name: sorted(indices) for name, indices in dealt.items()}


def _topology(start: Path, target: Path, settings: dict[str, Any]) -> NDArray[np.intp]:
    """Write the topology of the atoms that are kept; returns their indices in the run's frames."""
    topology = mdtraj.load_topology(str(start))
    dropped = set(settings.get("drop_residues", []))
    heavy = settings.get("atoms", "all") == "heavy"
    kept = np.array(
        [
            atom.index
            for atom in topology.atoms
            if atom.residue.name not in dropped and not (heavy and atom.element.symbol == "H")
        ],
        dtype=np.intp,
    )
    if len(kept) == topology.n_atoms:
        shutil.copyfile(start, target)
    else:
        mdtraj.load(str(start)).atom_slice(kept).save_pdb(str(target))
    return kept


def _unfit(whole: list[NDArray[np.float32]], topology: mdtraj.Topology) -> list[int]:
    """Trajectories with a residue inverted at CA or a cis peptide bond: artefacts of starts that were minimised."""
    return [index for index, part in enumerate(whole) if unnatural(mdtraj.Trajectory(part, topology))]


def _side_torsion(topology: mdtraj.Topology, settings: dict[str, Any]) -> list[int]:
    atoms = {f"{atom.residue.name}{atom.residue.resSeq}:{atom.name}": atom.index for atom in topology.atoms}
    return [atoms[label] for label in settings.get("side_torsion", [])]


def _load(recipe: Recipe, run: Path, index: int) -> NDArray[np.float32]:
    frames = load_trajectory(run, index)
    if len(frames) != recipe.frames(index):
        found = f"trajectory {index} has {len(frames)} of {recipe.frames(index)} frames"
        raise DataError(f"{run}: {found}; continue the simulation")
    return frames


def _apart(frames: NDArray[np.float32], topology: mdtraj.Topology, closest: float, run: Path) -> float:
    """Smallest superposed CA-RMSD between any two conformers, Angstrom."""
    ca = topology.select("name CA")
    trace = mdtraj.Trajectory(frames[:, ca], topology.subset(ca))
    trace.center_coordinates()
    smallest = float("inf")
    for index in range(1, len(trace)):
        found = mdtraj.rmsd(trace[:index], trace, index, precentered=True)
        smallest = min(smallest, 10 * float(found.min()))
    if smallest < closest:
        raise DataError(f"{run}: two conformers are {smallest:.2f} Angstrom apart, less than the {closest} promised")
    return round(smallest, 2)


def _file(path: Path) -> dict[str, Any]:
    return {"path": path.name, "sha256": sha256(path), "bytes": path.stat().st_size}
