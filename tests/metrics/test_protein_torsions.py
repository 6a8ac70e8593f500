"""Which atoms define a torsion: MDTraj and biotite as oracles, caps, breaks and rings of residues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import biotite.structure as struc
import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray

from backmapbench.metrics.geometry import torsions
from backmapbench.metrics.protein_torsions import KINDS, peptide_bonds, protein_torsions

Peptide = tuple[mdtraj.Topology, NDArray[np.float32]]
GLY = ("GLY", "N CA C O")


def same(found: NDArray, expected: NDArray) -> None:
    """Equal angles, in radians, to within float32."""
    difference = np.angle(np.exp(1j * (np.asarray(found, dtype=float) - expected)))
    np.testing.assert_allclose(difference, 0.0, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_angles_are_those_of_mdtraj(kind: str, peptide: Peptide) -> None:
    topology, xyz = peptide
    trajectory = mdtraj.Trajectory(xyz[None], topology)
    indices, expected = getattr(mdtraj, f"compute_{kind}")(trajectory, periodic=False)
    found = protein_torsions(topology)[kind]
    assert found.tolist() == indices.tolist()
    assert len(found)
    same(torsions(xyz[None], found), expected)


def test_backbone_angles_are_those_of_biotite(
    peptide: Peptide, as_biotite: Callable[[mdtraj.Topology, NDArray], Any]
) -> None:
    topology, xyz = peptide
    quads = protein_torsions(topology)
    phi, psi, omega = struc.dihedral_backbone(as_biotite(topology, xyz[None])[0])
    same(torsions(xyz, quads["phi"]), phi[1:])  # undefined at the ends
    same(torsions(xyz, quads["psi"]), psi[:-1])
    same(torsions(xyz, quads["omega"]), omega[:-1])
    assert np.isnan([phi[0], psi[-1], omega[-1]]).all()


def test_side_chain_angles_are_those_of_biotite(
    peptide: Peptide, as_biotite: Callable[[mdtraj.Topology, NDArray], Any]
) -> None:
    topology, xyz = peptide
    quads = protein_torsions(topology)
    expected = struc.dihedral_side_chain(as_biotite(topology, xyz[None])[0])
    for number in range(4):  # biotite has no chi5
        column = expected[:, number]
        same(torsions(xyz, quads[f"chi{number + 1}"]), column[~np.isnan(column)])


def test_caps_close_peptide_bonds(topology: mdtraj.Topology) -> None:
    quads = protein_torsions(topology)
    names = {kind: [[topology.atom(int(a)).name for a in quad] for quad in quads[kind]] for kind in quads}
    assert names["phi"] == [["C", "N", "CA", "C"]]
    assert names["psi"] == [["N", "CA", "C", "N"]]
    assert names["omega"] == [["CH3", "C", "N", "CA"], ["CA", "C", "N", "C"]]
    assert all(len(quads[f"chi{number}"]) == 0 for number in range(1, 6))
    assert not peptide_bonds(topology).proline.any()


def test_a_break_and_a_chain_end_have_no_torsion(make_topology: Callable[..., mdtraj.Topology]) -> None:
    inside = [(4 * k + a, 4 * k + b) for k in range(3) for a, b in ((0, 1), (1, 2), (2, 3))]
    broken = make_topology([[GLY, GLY, GLY]], bonds=[*inside, (2, 4)])
    quads = protein_torsions(broken)
    assert quads["phi"].tolist() == [[2, 4, 5, 6]]
    assert quads["psi"].tolist() == [[0, 1, 2, 4]]
    assert quads["omega"].tolist() == [[1, 2, 4, 5]]


def test_a_ring_of_residues_has_them_all(make_topology: Callable[..., mdtraj.Topology]) -> None:
    inside = [(4 * k + a, 4 * k + b) for k in range(3) for a, b in ((0, 1), (1, 2), (2, 3))]
    quads = protein_torsions(make_topology([[GLY, GLY, GLY]], bonds=[*inside, (2, 4), (6, 8), (10, 0)]))
    assert [len(quads[kind]) for kind in ("phi", "psi", "omega")] == [3, 3, 3]


def test_an_amide_cap_has_no_omega(make_topology: Callable[..., mdtraj.Topology]) -> None:
    topology = make_topology([[GLY, ("NH2", "N H1 H2")]], bonds=[(0, 1), (1, 2), (2, 3), (2, 4), (4, 5), (4, 6)])
    quads = protein_torsions(topology)
    assert quads["psi"].tolist() == [[0, 1, 2, 4]]
    assert len(quads["omega"]) == 0


def test_proline_is_told_by_its_nitrogen(peptide: Peptide) -> None:
    topology, _ = peptide
    bonds = peptide_bonds(topology)
    residues = [topology.atom(int(nitrogen)).residue.name for nitrogen in bonds.omegas[:, 2]]
    assert [name == "PRO" for name in residues] == bonds.proline.tolist()
    assert bonds.proline.sum() == 1
    assert topology.atom(int(bonds.omegas[bonds.proline][0, 3])).name == "CA"
