"""What is put into beads, and how beads of residues extend to their atoms."""

import itertools

import mdtraj
import numpy as np
import pytest

from backmapbench.coarse_graining import ca
from backmapbench.coarse_graining.particles import atoms_of_residues, bead_names, particle_indices, residue_beads
from backmapbench.errors import CardError, UnknownNameError


def test_kinds_of_particles_agree_with_mdtraj_selections(topology):
    for kind, text in (("ca", "name CA"), ("heavy", "element != H"), ("atoms", "all")):
        np.testing.assert_array_equal(particle_indices(topology, kind), topology.select(text))


def test_a_calcium_ion_is_no_c_alpha(topology):
    with_ion = topology.copy()
    ion = with_ion.add_residue("CA", with_ion.add_chain(), resSeq=99)
    with_ion.add_atom("CA", mdtraj.element.calcium, ion)
    np.testing.assert_array_equal(particle_indices(with_ion, "ca"), particle_indices(topology, "ca"))
    assert with_ion.n_atoms - 1 in particle_indices(with_ion, "heavy")


def test_unknown_kinds_and_none_found_are_errors(topology):
    with pytest.raises(UnknownNameError, match="kind of particles"):
        particle_indices(topology, "beads")
    with pytest.raises(CardError, match="no atoms of kind 'ca'"):
        particle_indices(topology.subset(topology.select("name N")), "ca")


def test_c_alphas_are_beads_at_themselves_named_by_themselves(topology, chain_frames):
    mapping = ca(topology)
    assert mapping.bead_names == ("ALA2:CA", "GLY3:CA", "SER4:CA", "TRP5:CA", "LYS6:CA", "ASP7:CA")
    np.testing.assert_array_equal(mapping.positions(chain_frames), chain_frames[:, topology.select("name CA")])


def test_caps_join_their_neighbour_and_every_atom_has_one_bead(topology):
    chosen = topology.select("name CA")
    beads = residue_beads(topology, [chosen[:2].tolist(), chosen[2:].tolist()])
    np.testing.assert_array_equal(beads, [0, 0, 0, 1, 1, 1, 1, 1])
    for atoms, text in (("heavy", "element != H"), ("all", "all")):
        groups = atoms_of_residues(topology, beads, atoms)
        np.testing.assert_array_equal(sorted(itertools.chain(*groups)), topology.select(text))
        for bead, group in enumerate(groups):
            assert {beads[topology.atom(index).residue.index] for index in group} == {bead}


def test_of_two_equally_near_residues_the_earlier_is_joined():
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number in range(3):
        topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("ALA", chain, resSeq=number))
    np.testing.assert_array_equal(residue_beads(topology, [[0], [2]]), [0, 0, 1])


def test_split_residues_and_chains_without_beads_are_refused(topology):
    first, second = topology.select("resSeq 2")[:2].tolist()
    with pytest.raises(CardError, match="atoms of residue ALA2 are in different beads"):
        residue_beads(topology, [[first], [second]])
    two = topology.join(topology)
    with pytest.raises(CardError, match="no residue of chain 1 is in a bead"):
        residue_beads(two, [[first]])
    with pytest.raises(CardError, match="beads for 2 residues given, the topology has 8"):
        atoms_of_residues(topology, np.zeros(2, dtype=int))
    with pytest.raises(UnknownNameError, match="choice of atoms"):
        atoms_of_residues(topology, np.zeros(8, dtype=int), "some")


def test_runs_of_residues_are_named_by_their_ends_others_by_number(topology):
    chosen = topology.select("name CA").tolist()
    assert bead_names(topology, [chosen[:1], chosen[1:4], chosen[4:]]) == ("ALA2", "GLY3-TRP5", "LYS6-ASP7")
    assert bead_names(topology, [chosen[::2], chosen[1::2]]) == ("B1", "B2")
    # Two beads that share a residue have no ends of their own.
    atoms = topology.select("resSeq 2").tolist()
    assert bead_names(topology, [atoms[:2], atoms[2:]]) == ("B1", "B2")
