"""Topologies with canonical names, right elements and whole bond graphs, whatever the file's dialect."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mdtraj
import numpy as np
from mdtraj import element
from mdtraj.formats import GroTrajectoryFile, HDF5TrajectoryFile
from numpy.typing import NDArray

from backmapbench.datasets.readers import bonds, pdb_models
from backmapbench.datasets.readers.names import CanonicalResidue, canonical_residues
from backmapbench.datasets.readers.psf import read_psf
from backmapbench.errors import DataError

SUFFIXES = ".pdb, .psf, .gro, .h5, .prmtop"
HYDROGEN_UP_TO_AMU = 4.1  # repartitioned hydrogens weigh up to 4 amu, as helium does


@dataclass(frozen=True)
class _Raw:
    """What a file says: names as written, bonds, whether these are all there are, first positions (atoms, 3), nm."""

    topology: mdtraj.Topology
    bonds: list[tuple[int, int]]
    complete: bool
    xyz: NDArray[np.float32] | None


def read_topology(path: Path) -> mdtraj.Topology:
    """The topology in a pdb, psf, gro, h5 or prmtop file; atoms in the file's order.

    Names are those of the PDB, version 3 (see ``names``); CHARMM's caps become residues ACE, NME, NH2. Elements of
    standard residues follow from the names, others from the file's element column or masses. Bonds are the file's own
    where it lists all (psf, prmtop); otherwise those of residue templates, peptide bonds, disulfide bridges by
    distance, and the file's own (CONECT) for residues that are not standard.

    Raises DataError for a file that cannot be read, for two atoms of one name in a residue, for an atom whose element
    nothing tells, and for an atom that no bond reaches.
    """
    raw = _read(path)
    residues = canonical_residues(raw.topology)
    _refuse_doubles(path, residues)
    topology = _rebuild(path, raw, residues)
    atoms = list(topology.atoms)
    for first, second in sorted({(min(pair), max(pair)) for pair in _bonds(raw, residues)}):
        topology.add_bond(atoms[first], atoms[second])
    _refuse_loose(path, topology)
    return topology


def _read(path: Path) -> _Raw:
    readers = {".pdb": _pdb, ".ent": _pdb, ".psf": _psf, ".gro": _gro, ".h5": _h5, ".hdf5": _h5}
    readers |= dict.fromkeys((".prmtop", ".parm7", ".top"), _prmtop)
    if not path.is_file():
        raise DataError(f"{path}: no such file; give a topology ({SUFFIXES})")
    if path.suffix.lower() not in readers:
        raise DataError(f"{path}: '{path.suffix}' is no topology format read here; give one of {SUFFIXES}")
    try:
        return readers[path.suffix.lower()](path)
    except DataError:
        raise
    except Exception as error:  # parsers of other people's formats raise whatever they trip over
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not a readable topology ({reason}); check the file or convert it to pdb") from error


def _pdb(path: Path) -> _Raw:
    topology, conect, xyz = pdb_models.first_model(path)
    return _Raw(topology, conect, complete=False, xyz=xyz)


def _psf(path: Path) -> _Raw:
    topology = read_psf(path)
    return _Raw(topology, _pairs(topology), complete=True, xyz=None)


def _prmtop(path: Path) -> _Raw:
    topology = mdtraj.load_prmtop(str(path))
    for residue in topology.residues:
        residue.resSeq += 1  # MDTraj counts from 0, AMBER and everybody else from 1
    return _Raw(topology, _pairs(topology), complete=True, xyz=None)


def _gro(path: Path) -> _Raw:
    with GroTrajectoryFile(str(path)) as handle:
        xyz, _, _ = handle.read(n_frames=1)
        return _Raw(handle.topology, [], complete=False, xyz=xyz[0])


def _h5(path: Path) -> _Raw:
    with HDF5TrajectoryFile(str(path)) as handle:
        if handle.topology is None:
            raise DataError(f"{path}: holds no topology; give one as pdb or psf")
        xyz = handle.read(n_frames=1).coordinates[0]
        return _Raw(handle.topology, _pairs(handle.topology), complete=False, xyz=xyz)


def _pairs(topology: mdtraj.Topology) -> list[tuple[int, int]]:
    return [(first.index, second.index) for first, second in topology.bonds]


def _bonds(raw: _Raw, residues: Sequence[CanonicalResidue]) -> list[tuple[int, int]]:
    if raw.complete:
        return raw.bonds
    standard = {atom for residue in residues if bonds.template(residue.name) for atom in residue.atoms}
    # Between two standard atoms the templates decide: other programs' bonds are wrong there often enough.
    given = [pair for pair in raw.bonds if not standard.issuperset(pair)]
    inside = itertools.chain.from_iterable(bonds.within(residue) for residue in residues)
    return [*given, *inside, *bonds.peptide(residues, raw.xyz), *bonds.disulfide(residues, raw.xyz)]


def _rebuild(path: Path, raw: _Raw, residues: Sequence[CanonicalResidue]) -> mdtraj.Topology:
    """The same atoms in the same order under canonical names, in new residues, without bonds."""
    old = list(raw.topology.atoms)
    owner = {
        atom: (residue, name) for residue in residues for atom, name in zip(residue.atoms, residue.names, strict=True)
    }
    topology = mdtraj.Topology()
    chains = [topology.add_chain(chain.chain_id) for chain in raw.topology.chains]
    made = {}
    for residue in residues:
        segment = old[residue.atoms[0]].residue.segment_id
        made[id(residue)] = topology.add_residue(residue.name, chains[residue.chain], residue.number, segment)
    for atom in old:
        residue, name = owner[atom.index]
        topology.add_atom(name, _element(path, atom, residue, name), made[id(residue)], serial=atom.serial)
    return topology


def _element(path: Path, atom: mdtraj.core.topology.Atom, residue: CanonicalResidue, name: str) -> element.Element:
    known = atom.element if atom.element is not None and atom.element.symbol != "VS" else None
    if bonds.template(residue.name):
        if residue.name == "HOH" and name[0] not in "OH":  # the massless sites of four-point waters
            return element.virtual
        return element.get_by_symbol(name[0]) if name[0] in "CHNOSP" else known or element.virtual
    if known is not None and not (name[0] == "H" and known.mass < HYDROGEN_UP_TO_AMU):
        return known
    letters = "".join(letter for letter in name if letter.isalpha())
    for symbol in ([letters[:2].capitalize()] if len(residue.atoms) == 1 else []) + [letters[:1]]:
        try:
            return element.get_by_symbol(symbol)
        except KeyError:
            continue
    raise DataError(f"{path}: nothing tells the element of atom {name} of {residue.name}{residue.number}; add it")


def _refuse_doubles(path: Path, residues: Sequence[CanonicalResidue]) -> None:
    for residue in residues:
        double = sorted({name for name in residue.names if residue.names.count(name) > 1})
        if double:
            raise DataError(
                f"{path}: residue {residue.name}{residue.number} has atom {double[0]} more than once; "
                "give every atom of a residue its own name"
            )


def _refuse_loose(path: Path, topology: mdtraj.Topology) -> None:
    """Atoms without a bond in a residue of several atoms: the residue is not standard or lacks atoms between."""
    bonded = {atom.index for pair in topology.bonds for atom in (pair[0], pair[1])}
    loose = [
        str(atom)
        for atom in topology.atoms
        if atom.index not in bonded and atom.residue.n_atoms > 1 and atom.element is not element.virtual
    ]
    alone = topology.n_bonds == 0 and topology.n_atoms > 1 and all(atom.name == "CA" for atom in topology.atoms)
    if loose or alone:
        named = ", ".join(loose[:6]) if loose else "a CA trace"
        raise DataError(
            f"{path}: no bond reaches {named}{' and others' if len(loose) > 6 else ''}; "
            "add CONECT records, give a psf, or complete the residues (pdbfixer)"
        )
