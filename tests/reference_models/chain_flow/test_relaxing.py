from itertools import pairwise

import mdtraj
import numpy as np
import pytest
import torch

from backmapbench.reference_models.chain_flow.relaxing import ALLOWED_NM, POLAR_NM, RADII_NM, Relaxation

ANGLE = torch.tensor(1.0)  # rad


@pytest.fixture(scope="module")
def shaken(villin):
    """(topology, true atoms, the same with side chains turned about CA-CB until they overlap)."""
    topology, frames = villin
    atoms = torch.from_numpy(frames.positions[:3].astype(np.float64))
    turned = atoms.clone()
    for residue in topology.residues:
        places = {atom.name: atom.index for atom in residue.atoms}
        if residue.name not in {"PHE", "LEU", "MET", "LYS", "GLN"}:
            continue
        start = turned[:, places["CB"]]
        axis = torch.nn.functional.normalize(start - turned[:, places["CA"]], dim=-1)[:, None]
        side = [places[name] for name in places if name not in {"N", "CA", "C", "O", "OXT", "CB"}]
        arms = turned[:, side] - start[:, None]
        along = (arms * axis).sum(-1, keepdim=True) * axis
        across = torch.linalg.cross(axis.expand_as(arms), arms)
        turned[:, side] = start[:, None] + along + ANGLE.cos() * (arms - along) + ANGLE.sin() * across
    return topology, atoms, turned


def test_overlaps_are_relieved_and_bonds_and_angles_kept(shaken):
    topology, _, turned = shaken
    relaxation = Relaxation.of(topology)
    relaxed = relaxation.relax(turned, 60)
    assert _overlap(relaxation, relaxed) < 0.2 * _overlap(relaxation, turned)
    change = _lengths(relaxation, relaxed) - _lengths(relaxation, turned)
    assert float(change.square().mean().sqrt()) < 0.005


def test_no_centre_is_turned_inside_out(shaken):
    topology, atoms, _ = shaken
    squeezed = atoms.clone()
    beta = [atom.index for atom in topology.atoms if atom.name == "CB"]
    oxygen = [atom.index for atom in topology.atoms if atom.name == "O"]
    squeezed[:, oxygen[:30]] = atoms[:, beta[1:31]] + 0.02  # pushes CB through its residue
    relaxation = Relaxation.of(topology)
    volumes = [relaxation._volumes(places) for places in (squeezed, relaxation.relax(squeezed, 100))]
    assert bool((volumes[0].sign() == volumes[1].sign()).all())
    assert relaxation.flat(atoms).tolist() == [0, 0, 0]
    mirrored = atoms * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    assert relaxation.flat(mirrored).tolist() == [topology.n_residues - glycines(topology)] * 3
    assert len(relaxation.centres) > 34


def test_true_structures_hardly_move(shaken):
    topology, atoms, _ = shaken
    moved = Relaxation.of(topology).relax(atoms, 60) - atoms
    assert float(moved.square().sum(-1).mean().sqrt()) < 0.02


def test_kept_pairs_are_bonds_angles_and_planes(shaken):
    topology, _, _ = shaken
    relaxation = Relaxation.of(topology)
    kept = {tuple(pair) for pair in relaxation.kept.tolist()}
    index = {(atom.residue.index, atom.name): atom.index for atom in topology.atoms}

    def pair(*names):
        return tuple(sorted(index[name] for name in names))

    assert pair((5, "CA"), (5, "C")) in kept
    assert pair((5, "N"), (5, "C")) in kept
    assert pair((5, "CA"), (6, "CA")) in kept  # omega
    assert pair((5, "CG"), (5, "CZ")) in kept  # across the ring of PHE6
    assert pair((5, "N"), (6, "N")) not in kept  # psi
    assert pair((5, "N"), (5, "CG")) not in kept  # chi1


def test_contacts_are_those_of_radii_beyond_three_bonds():
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for names in (("C", "C", "C", "C", "C"), ("O", "N"), ("N", "S")):
        residue = topology.add_residue("XXX", chain)
        row = [
            topology.add_atom(f"{name}{number}", mdtraj.element.get_by_symbol(name), residue)
            for number, name in enumerate(names)
        ]
        for one, two in pairwise(row):
            topology.add_bond(one, two)
    nearest = Relaxation.of(topology).nearest
    assert float(nearest[0, 3]) == 0.0
    assert float(nearest[0, 4]) == pytest.approx(2 * RADII_NM["C"] - ALLOWED_NM)
    assert float(nearest[5, 6]) == 0.0
    assert float(nearest[4, 5]) == pytest.approx(RADII_NM["C"] + RADII_NM["O"] - ALLOWED_NM)
    assert float(nearest[5, 7]) == pytest.approx(RADII_NM["O"] + RADII_NM["N"] - ALLOWED_NM - POLAR_NM)
    assert float(nearest.tril().abs().sum()) == 0.0


def glycines(topology):
    return sum(residue.name == "GLY" for residue in topology.residues)


def _overlap(relaxation, atoms):
    return float((relaxation.nearest - torch.cdist(atoms, atoms)).clamp_min(0).sum())


def _lengths(relaxation, atoms):
    return (atoms[:, relaxation.kept[:, 0]] - atoms[:, relaxation.kept[:, 1]]).norm(dim=-1)
