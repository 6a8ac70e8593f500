"""Systems for scoring, and caps merged into their residues."""

from __future__ import annotations

import numpy as np
import openmm
import pytest
from openmm import app

from backmapbench.errors import CardError
from backmapbench.force_field import ForceFieldError, TorchForceField, merge_caps, scoring_system


@pytest.fixture(scope="module")
def chignolin(molecules) -> app.PDBFile:
    return app.PDBFile(str(molecules["chignolin"]))


def test_caps_become_part_of_their_residues(chignolin) -> None:
    merged = merge_caps(chignolin.topology)
    names = ["TYR", "TYR", "ASP", "PRO", "GLU", "THR", "GLY", "THR", "TRP", "TYR"]
    assert [residue.name for residue in merged.residues()] == names
    assert [residue.id for residue in merged.residues()] == [
        residue.id for residue in chignolin.topology.residues() if residue.name not in {"ACE", "NME"}
    ]
    before, after = list(chignolin.topology.atoms()), list(merged.atoms())
    assert [atom.element for atom in after] == [atom.element for atom in before]
    assert [(a.index, b.index) for a, b in merged.bonds()] == [
        (a.index, b.index) for a, b in chignolin.topology.bonds()
    ]
    for residue in merged.residues():
        names = [atom.name for atom in residue.atoms()]
        assert len(set(names)) == len(names)
    assert {"CAY", "CY", "OY", "HY1"} <= {atom.name for atom in next(merged.residues()).atoms()}


def test_merging_twice_and_merging_nothing_change_nothing(chignolin, molecules) -> None:
    def names(topology):
        return [(atom.name, atom.residue.name, atom.residue.id) for atom in topology.atoms()]

    once = merge_caps(chignolin.topology)
    assert names(merge_caps(once)) == names(once)
    villin = app.PDBFile(str(molecules["villin"])).topology
    assert names(merge_caps(villin)) == names(villin)


def test_a_cap_on_its_own_is_refused(chignolin) -> None:
    topology = app.Topology()
    chain = topology.addChain()
    for residue in list(chignolin.topology.residues())[:2]:
        new = topology.addResidue(residue.name, chain)
        for atom in residue.atoms():
            topology.addAtom(atom.name, atom.element, new)
    with pytest.raises(ForceFieldError, match="cap ACE 1 is not bonded to the next residue"):
        merge_caps(topology)


def test_charmm_charges_are_whole_and_typed_by_patch(molecules, make_case) -> None:
    system = make_case("chignolin charmm36").system
    (force,) = [force for force in system.getForces() if isinstance(force, openmm.NonbondedForce)]
    charges = np.array([force.getParticleParameters(i)[0]._value for i in range(system.getNumParticles())])
    assert charges.sum() == pytest.approx(-2)  # ASP and GLU
    atoms = list(app.PDBFile(str(molecules["chignolin"])).topology.atoms())
    of = {(atom.residue.name, atom.name): charges[atom.index] for atom in atoms}
    # Patches ACE and CT3 of CHARMM36 (top_all36_prot.rtf).
    assert of["ACE", "CH3"] == pytest.approx(-0.27)
    assert of["ACE", "C"] == pytest.approx(0.51)
    assert of["NME", "N"] == pytest.approx(-0.47)
    assert of["NME", "C"] == pytest.approx(-0.11)


def test_scoring_is_in_vacuum_without_constraints(molecules) -> None:
    system = scoring_system(str(molecules["dipeptide"]), ("amber99sbildn.xml",))
    assert system.getNumConstraints() == 0
    assert "CMMotionRemover" not in {type(force).__name__ for force in system.getForces()}
    assert not system.usesPeriodicBoundaryConditions()


def test_a_force_field_that_does_not_fit_is_named(molecules) -> None:
    with pytest.raises(CardError, match=r"tip3p\.xml does not fit .*ace-ala-nme\.pdb"):
        scoring_system(str(molecules["dipeptide"]), ("tip3p.xml",))
    with pytest.raises(CardError, match="Multiple non-identical matching templates"):
        scoring_system(str(molecules["dipeptide"]), ("charmm36.xml",))  # ALAD and patched ALA are the same molecule


def test_constraints_change_no_energy(molecules, make_case) -> None:
    """Of any System: one made for dynamics, its bonds to hydrogen constrained, lacks just those bonds."""
    case = make_case("dipeptide")
    pdb = app.PDBFile(str(molecules["dipeptide"]))
    system = app.ForceField("amber99sbildn.xml").createSystem(pdb.topology, constraints=app.HBonds)
    free = TorchForceField.from_system(case.system).terms(case.tensor())
    held = TorchForceField.from_system(system).terms(case.tensor())
    assert list(held) == list(free)
    for name in free:
        if name != "bonds":
            np.testing.assert_allclose(held[name], free[name], rtol=1e-12)
