"""A peptide with caps, and frames whose particles move in blocks."""

import mdtraj
import numpy as np
import pytest

RESIDUES = ["ACE", "ALA", "GLY", "SER", "TRP", "LYS", "ASP", "NME"]
ATOMS = {"ACE": ["CH3", "C", "O"], "NME": ["N", "C"], "GLY": ["N", "H", "CA", "C", "O"]}


def peptide(order=None):
    """Capped peptide, one chain: N, H, CA, CB, C, O in each residue; ``order`` reverses atoms within residues."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number, name in enumerate(RESIDUES, start=1):
        residue = topology.add_residue(name, chain, resSeq=number)
        atoms = ATOMS.get(name, ["N", "H", "CA", "CB", "C", "O"])
        for atom in reversed(atoms) if order == "reversed" else atoms:
            topology.add_atom(atom, mdtraj.element.get_by_symbol(atom[0]), residue)
    return topology


@pytest.fixture(scope="session")
def topology():
    return peptide()


@pytest.fixture(scope="session")
def chain_frames(topology):
    """Random walks (30, atoms, 3), nm: neighbours move together."""
    rng = np.random.default_rng(7)
    return np.cumsum(rng.normal(scale=0.1, size=(30, topology.n_atoms, 3)), axis=1).astype(np.float32)
