"""Alanine dipeptide for the metric tests: made here from the package's PDB file, no dataset needed.

The frames are not a simulation: rigid internal rotations (phi, psi and three methyls hop between basins) plus Gaussian
noise of a thermal size on every coordinate. Bonds keep their lengths to within the noise.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from functools import reduce
from importlib.resources import files
from operator import add
from typing import Any

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining import atom_index, atom_slice
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.metrics.base import Metric, MetricContext
from backmapbench.metrics.frames import Frames

NOISE_NM = 0.003
# Axis (from, to), the atoms that turn with it (indices of the PDB file), and the offsets in degrees it hops between.
ROTORS: tuple[tuple[int, int, tuple[int, ...], tuple[float, ...]], ...] = (
    (6, 8, (9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21), (0.0, 60.0, 200.0)),  # phi
    (8, 14, (15, 16, 17, 18, 19, 20, 21), (0.0, 160.0)),  # psi
    (4, 1, (0, 2, 3), (0.0, 120.0, 240.0)),
    (8, 10, (11, 12, 13), (0.0, 120.0, 240.0)),
    (16, 18, (19, 20, 21), (0.0, 120.0, 240.0)),
)
HOP = 0.05  # chance of a hop per frame


def task_card() -> dict[str, Any]:
    """The ADP task card as a dictionary."""
    return tomllib.loads((files("backmapbench") / "tasks" / "adp-mini-temporal.toml").read_text(encoding="utf-8"))


def hop_angles(frames: int, offsets: tuple[float, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Angles in degrees of a Markov chain that now and then jumps to a random basin, with 8 degrees of jitter."""
    state, states = int(rng.integers(len(offsets))), []
    for jump in rng.random(frames) < HOP:
        state = int(rng.integers(len(offsets))) if jump else state
        states.append(state)
    return np.array(offsets)[states] + rng.normal(0.0, 8.0, frames)


def synthetic(rest: NDArray[np.float32], frames: int, seed: int, noise_nm: float = NOISE_NM) -> NDArray[np.float32]:
    """One trajectory, float32 (frames, 22, 3) in nm, centroid at the origin."""
    rng = np.random.default_rng(seed)
    xyz = np.repeat(rest[None].astype(np.float64), frames, axis=0)
    for start, end, moved, offsets in ROTORS:
        axis = xyz[:, end] - xyz[:, start]
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        turn = Rotation.from_rotvec(axis * np.radians(hop_angles(frames, offsets, rng))[:, None])
        around = xyz[:, [end]]
        xyz[:, list(moved)] = np.einsum("fij,faj->fai", turn.as_matrix(), xyz[:, list(moved)] - around) + around
    xyz += rng.normal(0.0, noise_nm, xyz.shape)
    return (xyz - xyz.mean(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="session")
def topology_path() -> str:
    """PDB file of ACE-ALA-NME."""
    return str(files("backmapbench.datasets") / "recipes" / "ace-ala-nme.pdb")


@pytest.fixture(scope="session")
def topology(topology_path: str) -> mdtraj.Topology:
    """22 atoms, 3 residues, 21 bonds."""
    return mdtraj.load_topology(topology_path)


@pytest.fixture(scope="session")
def rest(topology_path: str) -> NDArray[np.float32]:
    """The PDB file's coordinates, (22, 3) nm."""
    return np.asarray(mdtraj.load_pdb(topology_path).xyz[0], dtype=np.float32)


@pytest.fixture(scope="session")
def make_frames(rest: NDArray[np.float32]) -> Callable[..., NDArray[np.float32]]:
    """``make_frames(count, seed, noise_nm=...)``: one synthetic trajectory (count, 22, 3), nm."""

    def make(count: int, seed: int, noise_nm: float = NOISE_NM) -> NDArray[np.float32]:
        return synthetic(rest, count, seed, noise_nm)

    return make


@pytest.fixture(scope="session")
def reference(make_frames: Callable[..., NDArray[np.float32]]) -> Trajectories:
    """Four trajectories of 100 frames, 1 ps apart."""
    return Trajectories(np.concatenate([make_frames(100, seed) for seed in range(4)]), (100, 100, 100, 100), 1.0)


@pytest.fixture(scope="session")
def frames(reference: Trajectories) -> Frames:
    """All 400 reference frames as one chunk (1, 400, 22, 3)."""
    return Frames(reference.positions[None])


@pytest.fixture(scope="session")
def make_context(
    topology: mdtraj.Topology, topology_path: str, reference: Trajectories
) -> Callable[..., MetricContext]:
    """``make_context(reference=..., kinetics=..., **settings)``: the ADP task with that reference and settings."""
    card = task_card()

    def quads(labels: list[list[str]]) -> NDArray[np.intp]:
        return np.array([[atom_index(topology, label) for label in torsion] for torsion in labels], dtype=np.intp)

    standard = {**card["kinetics"], "torsions": quads(card["kinetics"]["torsions"])}
    mapping = atom_slice(topology, card["mapping"]["atoms"])
    hidden = quads(card["hidden"]["torsions"])

    def make(
        *, reference: Trajectories = reference, kinetics: dict[str, Any] | None = None, **settings: Any
    ) -> MetricContext:
        return MetricContext(
            topology=topology,
            topology_path=topology_path,
            mapping=mapping,
            reference=reference,
            temperature_K=300.0,
            force_field=("amber99sbildn.xml",),
            settings=settings,
            kinetics=standard if kinetics is None else {**standard, **kinetics},
            hidden_torsions=hidden,
        )

    return make


@pytest.fixture(scope="session")
def evaluate() -> Callable[..., dict[str, float]]:
    """``evaluate(metric, reference, prediction, chunk=None)``: scores of arrays, in chunks of ``chunk`` frames.

    Both are (frames, atoms, 3) or (samples, frames, atoms, 3), nm.
    """

    def scores(
        metric: Metric, reference: NDArray[np.float32], prediction: NDArray[np.float32], chunk: int | None = None
    ) -> dict[str, float]:
        sides = [array[None] if array.ndim == 3 else array for array in (reference, prediction)]
        size = chunk or sides[0].shape[1]
        parts = [
            metric.statistics(*(Frames(side[:, start : start + size]) for side in sides))
            for start in range(0, sides[0].shape[1], size)
        ]
        return metric.value(reduce(add, parts))

    return scores


@pytest.fixture(scope="session")
def make_topology() -> Callable[..., mdtraj.Topology]:
    """``make_topology(chains, bonds=())``: chains of residues ("ALA", "N CA C O CB"); bonds as atom indices.

    The element of an atom is its name's first letter; a name such as "Se:X1" gives the element first.
    """

    def make(chains: list[list[tuple[str, str]]], bonds: Sequence[tuple[int, int]] = ()) -> mdtraj.Topology:
        made = mdtraj.Topology()
        for residues in chains:
            chain = made.add_chain()
            for name, atoms in residues:
                residue = made.add_residue(name, chain)
                for label in atoms.split():
                    symbol, _, rest = label.partition(":")
                    element = mdtraj.element.get_by_symbol(symbol if rest else label[0])
                    made.add_atom(rest or label, element, residue)
        placed = list(made.atoms)
        for first, second in bonds:
            made.add_bond(placed[first], placed[second])
        return made

    return make


# Every kind of side chain, free ends (OXT), two glycines, a proline, and both rings of tryptophan.
SEQUENCE = ["MET", "TRP", "PRO", "GLY", "ARG", "TYR", "HIS", "THR", "CYS", "PHE", "ILE", "LYS", "ASP", "GLY", "LEU"]
BACKBONE_DEGREES = (-75.0, 145.0)  # phi, psi: extended, so that no side chain meets another


def place(a: NDArray, b: NDArray, c: NDArray, bond: float, angle: float, torsion: float) -> NDArray[np.float64]:
    """The point at ``bond`` from c, ``angle`` from b and ``torsion`` from a (degrees)."""
    theta, phi = np.radians(angle), np.radians(torsion)
    axis = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, axis)
    normal /= np.linalg.norm(normal)
    frame = np.stack([axis, np.cross(normal, axis), normal])
    turned = [-np.cos(theta), np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi)]
    return np.asarray(c + bond * (np.array(turned) @ frame))


def build_peptide(sequence: Sequence[str]) -> tuple[mdtraj.Topology, NDArray[np.float32]]:
    """A chain of ``sequence`` with hydrogens: topology with bonds and one frame (atoms, 3), nm.

    Residues are the ideal ones of the Chemical Component Dictionary, which biotite ships, on an extended backbone.
    """
    from biotite.structure.info import residue as component

    topology, xyz = mdtraj.Topology(), []
    chain = topology.add_chain()
    ends: list[NDArray] = []  # N, CA, C of the residue before
    joined = None
    for number, name in enumerate(sequence):
        atoms = component(name)
        last = number == len(sequence) - 1
        gone = {"HXT"} | (set() if last else {"OXT"}) | (set() if number == 0 else {"H2"}) | {"H3"}
        gone |= {"H"} if name == "PRO" and number else set()
        points = {atom.atom_name: np.asarray(atom.coord, dtype=np.float64) / 10 for atom in atoms}
        if number:
            phi, psi = BACKBONE_DEGREES
            n = place(*ends, 0.133, 116.5, psi)
            ca = place(*ends[1:], n, 0.146, 121.5, 180.0)
            target = np.stack([n, ca, place(ends[2], n, ca, 0.1525, 111.0, phi)])
            points = laid(points, target)
            if "H" not in gone:
                away = 2 * n - ends[2] - ca
                points["H"] = n + 0.101 * away / np.linalg.norm(away)
        ends = [points[atom] for atom in ("N", "CA", "C")]
        # The carbonyl oxygen lies in the plane of the next peptide bond.
        points["O"] = place(*ends, 0.1231, 120.5, BACKBONE_DEGREES[1] + 180)
        if last:
            points["OXT"] = place(*ends, 0.125, 118.0, BACKBONE_DEGREES[1])
        residue = topology.add_residue(name, chain, number + 1)
        made = {}
        for atom in atoms:
            if atom.atom_name not in gone:
                element = mdtraj.element.get_by_symbol(atom.element.capitalize())
                made[atom.atom_name] = topology.add_atom(atom.atom_name, element, residue)
                xyz.append(points[atom.atom_name])
        for first, second, _ in atoms.bonds.as_array():
            pair = [made.get(atoms.atom_name[index]) for index in (first, second)]
            if None not in pair:
                topology.add_bond(*pair)
        if joined is not None:
            topology.add_bond(joined, made["N"])
        joined = made["C"]
    return topology, np.array(xyz, dtype=np.float32)


def laid(points: dict[str, NDArray], target: NDArray) -> dict[str, NDArray]:
    """All points moved so that N, CA and C come to lie on ``target`` (3, 3)."""
    start = np.stack([points[atom] for atom in ("N", "CA", "C")])
    turn, _ = Rotation.align_vectors(target - target.mean(axis=0), start - start.mean(axis=0))
    return {name: turn.apply(point - start.mean(axis=0)) + target.mean(axis=0) for name, point in points.items()}


@pytest.fixture(scope="session")
def peptide() -> tuple[mdtraj.Topology, NDArray[np.float32]]:
    """``SEQUENCE`` as ``build_peptide`` makes it."""
    return build_peptide(SEQUENCE)


@pytest.fixture(scope="session")
def make_peptide() -> Callable[[Sequence[str]], tuple[mdtraj.Topology, NDArray[np.float32]]]:
    """``build_peptide`` for test modules."""
    return build_peptide


@pytest.fixture(scope="session")
def peptide_reference(peptide: tuple[mdtraj.Topology, NDArray[np.float32]]) -> Trajectories:
    """Two trajectories of 20 frames of ``peptide``: all atoms vibrate."""
    _, rest = peptide
    rng = np.random.default_rng(11)
    frames = rest + rng.normal(scale=NOISE_NM, size=(40, *rest.shape))
    return Trajectories((frames - frames.mean(axis=1, keepdims=True)).astype(np.float32), (20, 20), 1.0)


@pytest.fixture(scope="session")
def peptide_context(
    peptide: tuple[mdtraj.Topology, NDArray[np.float32]], peptide_reference: Trajectories
) -> MetricContext:
    """A task on ``peptide`` with one bead per residue (its CA)."""
    topology, _ = peptide
    labels = [f"{residue.name}{residue.resSeq}:CA" for residue in topology.residues]
    return MetricContext(
        topology=topology,
        topology_path="",
        mapping=atom_slice(topology, labels),
        reference=peptide_reference,
        temperature_K=300.0,
        force_field=(),
        settings={},
        kinetics={},
        hidden_torsions=np.empty((0, 4), dtype=np.intp),
    )


@pytest.fixture(scope="session")
def as_biotite() -> Callable[[mdtraj.Topology, NDArray], Any]:
    """``as_biotite(topology, xyz)``: the frames (frames, atoms, 3), nm, as a biotite AtomArrayStack in Angstrom."""
    import biotite.structure as struc

    def convert(topology: mdtraj.Topology, xyz: NDArray) -> Any:
        stack = struc.AtomArrayStack(len(xyz), topology.n_atoms)
        stack.coord = np.asarray(xyz, dtype=np.float32) * 10
        stack.atom_name = np.array([atom.name for atom in topology.atoms])
        stack.res_name = np.array([atom.residue.name for atom in topology.atoms])
        stack.res_id = np.array([atom.residue.index + 1 for atom in topology.atoms])
        stack.element = np.array([atom.element.symbol.upper() for atom in topology.atoms])
        stack.chain_id = np.full(topology.n_atoms, "A")
        return stack

    return convert
