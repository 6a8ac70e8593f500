"""Beads and channels by name; pairs of the graph loss against networkx."""

import networkx as nx
import numpy as np
import pytest

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.errors import SubmissionError, UnsupportedTaskError
from backmapbench.reference_models.cgvae.structure import Structure
from backmapbench.submissions import System


def test_order_of_atoms_in_the_file_changes_nothing(build, system):
    structure = Structure.of(system)
    other = Structure.of(build.system(build.topology(15, shuffled=3), 5))
    assert other.names != structure.names
    assert other.fingerprint == structure.fingerprint
    place = {name: (bead, channel) for name, bead, channel in zip(other.names, other.bead, other.channel, strict=True)}
    for name, bead, channel in zip(structure.names, structure.bead, structure.channel, strict=True):
        assert place[name] == (bead, channel)


def test_every_bead_counts_its_channels_from_zero(system):
    structure = Structure.of(system)
    sizes = np.bincount(structure.bead)
    assert structure.largest_bead == sizes.max()
    for bead, size in enumerate(sizes):
        assert sorted(structure.channel[structure.bead == bead]) == list(range(size))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_pairs_are_joined_by_at_most_so_many_bonds(system, order):
    structure = Structure.of(system)
    graph = nx.Graph((a.index, b.index) for a, b in system.topology.bonds)
    expected = {
        (first, second)
        for first, reached in nx.all_pairs_shortest_path_length(graph, cutoff=order)
        for second in reached
        if first < second
    }
    assert set(map(tuple, structure.pairs(order).T.tolist())) == expected


def test_other_beads_have_another_fingerprint(build, system):
    assert Structure.of(build.system(build.topology(15), 4)).fingerprint != Structure.of(system).fingerprint


def test_atoms_outside_beads_hang_on_the_nearest(build):
    """Beads that are means of C-alphas, as in the published two-step scheme."""
    topology = build.topology(15)
    trace = [atom.index for atom in topology.atoms if atom.name == "CA"]
    mapping = CoarseMapping.from_groups([trace[:8], trace[8:]], topology.n_atoms, ["A", "B"])
    structure = Structure.of(System(topology, mapping, 300.0))
    assert set(np.flatnonzero(structure.share)) == set(trace)
    residue = np.array([atom.residue.index for atom in topology.atoms])
    assert (structure.bead == (residue >= 8)).mean() > 0.97


def test_beads_it_is_not_made_for_are_refused(build):
    topology = build.topology(5)
    single = CoarseMapping.from_groups([[0], [5]], topology.n_atoms, ["A", "B"])
    with pytest.raises(UnsupportedTaskError, match="single atoms"):
        Structure.of(System(topology, single, 300.0))
    shared = CoarseMapping.from_groups([[0, 1], [1, 2]], topology.n_atoms, ["A", "B"])
    with pytest.raises(UnsupportedTaskError, match="several beads"):
        Structure.of(System(topology, shared, 300.0))


def test_a_topology_without_bonds_is_refused(build, system):
    bare = system.topology.copy()
    bare._bonds = []
    with pytest.raises(SubmissionError, match="no bonds"):
        Structure.of(System(bare, system.mapping, 300.0)).pairs(1)
