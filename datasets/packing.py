"""From a finished simulation to an embedded dataset: deal to splits, round, store, measure, and write the card."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import tomli_w
from numpy.typing import NDArray

from backmapbench.datasets import codec
from backmapbench.datasets.catalogue import CARDS, ROOT
from backmapbench.datasets.simulation import RECIPES, Recipe, load_trajectory, simulation_provenance
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError, DataError
from backmapbench.files import atomic_write, sha256

KB = 0.00831446261815324  # kJ/mol/K


def pack(recipe: Recipe, run: Path, embedded: Path = ROOT / "embedded", cards: Path = CARDS) -> Path:
    """Deal the trajectories of the run folder ``run`` to the recipe's splits; returns the path of the card.

    Raises DataError when a trajectory of the run is shorter than the recipe's.
    """
    settings = recipe.settings["embedded"]
    home = embedded / recipe.name
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(RECIPES / recipe.settings["start_structure"], home / "topology.pdb")
    topology = mdtraj.load_topology(str(home / "topology.pdb"))
    parents = codec.spanning_tree([(a.index, b.index) for a, b in topology.bonds], topology.n_atoms)
    splits: dict[str, Any] = {}
    measured: dict[str, Any] = {}
    atoms = {f"{atom.residue.name}{atom.residue.resSeq}:{atom.name}": atom.index for atom in topology.atoms}
    torsion = [atoms[label] for label in settings["side_torsion"]]
    whole = [_load(recipe, run, index) for index in range(recipe.trajectories)]
    events = [_visits(Trajectories(frames, (len(frames),), 1.0), topology, torsion) for frames in whole]
    rare = [index for index, event in enumerate(events) if event["entered_phi_positive"]]
    dealt = deal(recipe.trajectories, len(recipe.settings["starts"]["basins"]), rare, settings["splits"])
    for name, sources in dealt.items():
        lengths = tuple(len(whole[index]) for index in sources)
        exact = Trajectories(np.concatenate([whole[index] for index in sources]), lengths, recipe.settings["frame_ps"])
        path = home / f"{name}.npz"
        codec.write(path, exact, parents, settings["quantum_nm"])
        splits[name] = _file(path) | {"trajectories": len(sources), "frames": len(exact), "sources": sources}
        measured[name] = _visits(exact, topology, torsion)
        if name == "test":
            measured["rounding"] = _rounding(exact, codec.read(path), home / "topology.pdb", recipe)
    measured["whole_run"] = _total(events)
    content = {
        "schema_version": 1,
        "name": recipe.name,
        "title": recipe.settings["title"],
        "tier": "embedded",
        **{key: settings["card"][key] for key in ("version", "licence", "citation", "limits", "frame_origin")},
        "atoms": topology.n_atoms,
        "temperature_K": recipe.settings["integrator"]["temperature_K"],
        "frame_ps": recipe.settings["frame_ps"],
        "topology": _file(home / "topology.pdb"),
        "force_field": {
            "simulated": recipe.settings["force_field"]["files"],
            "scored": settings["card"]["scored_force_field"],
        },
        "splits": splits,
        "measured": measured,
        "provenance": simulation_provenance(run) | {"command": f"backmapbench datasets simulate {recipe.name}"},
    }
    card = cards / f"{recipe.name}.toml"
    with atomic_write(card) as handle:
        tomli_w.dump(content, handle, multiline_strings=True)
    return card


def deal(trajectories: int, basins: int, rare: list[int], splits: dict[str, int]) -> dict[str, list[int]]:
    """Which trajectories go to which split: ``rare`` ones in turn, then the free ones of each start basin.

    Both go from the highest number down: the first trajectories of a run are those on which methods were tried out
    while it still ran. Trajectory i started in basin i modulo ``basins``; every split gets as many from each basin.

    Raises CardError when a split's size is not a multiple of the basins or the trajectories do not suffice.
    """
    if any(size % basins for size in splits.values()):
        raise CardError(f"split sizes {splits} must be multiples of the {basins} start basins")
    room = {name: [size // basins] * basins for name, size in splits.items()}
    dealt: dict[str, list[int]] = {name: [] for name in splits}
    turn = 0
    for index in sorted(rare, reverse=True):
        for step in range(len(splits)):
            name = list(splits)[(turn + step) % len(splits)]
            if room[name][index % basins]:
                room[name][index % basins] -= 1
                dealt[name].append(index)
                turn += step + 1
                break
    free = [index for index in reversed(range(trajectories)) if index not in rare]
    for name, places in room.items():
        for basin in range(basins):
            chosen = [index for index in free if index % basins == basin][: places[basin]]
            if len(chosen) < places[basin]:
                raise CardError(
                    f"{trajectories} trajectories do not fill split '{name}'; simulate more or ask for less"
                )
            free = [index for index in free if index not in chosen]
            dealt[name] += chosen
    return {name: sorted(indices) for name, indices in dealt.items()}


def _load(recipe: Recipe, run: Path, index: int) -> NDArray[np.float32]:
    frames = load_trajectory(run, index)
    if len(frames) != recipe.frames:
        found = f"trajectory {index} has {len(frames)} of {recipe.frames} frames"
        raise DataError(f"{run}: {found}; continue the simulation")
    return frames


def _file(path: Path) -> dict[str, Any]:
    return {"path": path.name, "sha256": sha256(path), "bytes": path.stat().st_size}


def _visits(data: Trajectories, topology: mdtraj.Topology, torsion: list[int]) -> dict[str, Any]:
    """How often phi crosses between its two sides, with hysteresis so that grazing 0 does not count.

    A frame is on the positive side once 30 < phi < 120 degrees (alphaL, C7ax), on the negative once phi < -30 degrees,
    and between them where it was last.
    """
    phi = np.degrees(mdtraj.compute_dihedrals(mdtraj.Trajectory(data.positions, topology), [torsion])[:, 0])
    entered = left = 0
    for part in data.slices:
        sides = _sides(phi[part])
        entered += int(((sides[:-1] < 0) & (sides[1:] > 0)).sum())
        left += int(((sides[:-1] > 0) & (sides[1:] < 0)).sum())
    return {
        "phi_positive_percent": round(float(100 * ((phi > 0) & (phi < 120)).mean()), 2),
        "entered_phi_positive": entered,
        "left_phi_positive": left,
    }


def _total(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The same figures over all trajectories (of equal length)."""
    sums = {key: sum(event[key] for event in events) for key in events[0]}
    return sums | {"phi_positive_percent": round(sums["phi_positive_percent"] / len(events), 2)}


def _sides(phi: NDArray[np.floating]) -> NDArray[np.int8]:
    """+1 or -1 for each frame: the side last visited."""
    sides = np.zeros(len(phi), dtype=np.int8)
    sides[(phi > 30) & (phi < 120)] = 1
    sides[(phi < -30)] = -1
    known = np.flatnonzero(sides)
    if not len(known):
        return sides
    return sides[known[np.clip(np.searchsorted(known, np.arange(len(phi)), side="right") - 1, 0, None)]]


def _rounding(exact: Trajectories, stored: Trajectories, topology: Path, recipe: Recipe) -> dict[str, float]:
    """Shift of the mean potential energy by rounding, kT, over every twentieth frame (vacuum, unconstrained)."""
    import openmm
    from openmm import app, unit

    field = app.ForceField(*recipe.settings["embedded"]["card"]["scored_force_field"])
    system = field.createSystem(app.PDBFile(str(topology)).topology, nonbondedMethod=app.NoCutoff, constraints=None)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))

    def energies(positions: NDArray[np.floating]) -> NDArray[np.float64]:
        found = []
        for frame in positions[::20].astype(np.float64):
            context.setPositions(frame)
            found.append(context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
        return np.array(found)

    kT = KB * recipe.settings["integrator"]["temperature_K"]  # noqa: N806 - the field's name
    difference = (energies(stored.positions) - energies(exact.positions)) / kT
    return {
        "mean_energy_shift_kT": round(float(difference.mean()), 4),
        "largest_coordinate_shift_nm": round(float(np.abs(stored.positions - exact.positions).max()), 6),
    }
