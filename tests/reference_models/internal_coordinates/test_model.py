import mdtraj
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining import CoarseMapping, ca
from backmapbench.errors import BackmapbenchError, SubmissionError, UnsupportedTaskError
from backmapbench.reference_models.internal_coordinates.model import InternalCoordinates, InternalCoordinatesMode
from backmapbench.submissions import System

RADII = {"C": 0.68, "N": 0.68, "O": 0.68, "S": 1.02}  # Angstrom, of the bond graph


def few(frames, count=4):
    return frames.pick(np.arange(count))


@pytest.mark.parametrize("mode", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_turned_and_shifted_beads_give_turned_and_shifted_atoms(villin, fitted, beads_of, mode, seed):
    system, frames = villin
    model, beads = fitted(system, mode=mode), beads_of(system, few(frames))
    turn = Rotation.random(random_state=seed).as_matrix()
    shift = np.array([0.3, -0.7, 0.5])
    atoms = model.backmap(system, beads, 1, 7)[0].astype(np.float64)
    moved = model.backmap(system, beads.replace_positions(beads.positions @ turn.T + shift), 1, 7)[0]
    np.testing.assert_allclose(moved, atoms @ turn.T + shift, atol=1e-5)


def test_mirrored_beads_do_not_give_mirrored_atoms(villin, fitted, beads_of):
    # Amino acids are L whatever the trace: the density may know its handedness, and CB's side is fixed.
    system, frames = villin
    beads = beads_of(system, few(frames, 1))
    mirrored = beads.replace_positions(beads.positions * np.array([1, 1, -1]))
    atoms = fitted(system).backmap(system, mirrored, 1, 0)[0, 0]
    assert (_chirality(system.topology, atoms) > 0).all()


def test_c_alphas_stay_where_they_are(villin, fitted, beads_of):
    system, frames = villin
    beads = beads_of(system, few(frames))
    atoms = fitted(system).backmap(system, beads, 2, 0)
    np.testing.assert_allclose(system.mapping.positions(atoms), np.stack([beads.positions] * 2), atol=1e-6)


def test_the_same_seed_gives_the_same_atoms_and_another_others(villin, fitted, beads_of):
    system, frames = villin
    beads, model = beads_of(system, few(frames)), fitted(system)
    first, again, other = (model.backmap(system, beads, 2, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.05
    assert np.abs(first[0] - first[1]).max() > 0.05


def test_the_mode_does_not_know_a_seed(villin, fitted, beads_of):
    system, frames = villin
    beads, model = beads_of(system, few(frames, 2)), fitted(system, mode=True)
    first, other = (model.backmap(system, beads, 2, seed) for seed in (3, 4))
    assert model.info.deterministic
    np.testing.assert_array_equal(first, other)
    np.testing.assert_array_equal(first[0], first[1])


@pytest.mark.parametrize("mode", [False, True])
def test_all_amino_acids_and_caps_are_placed_with_their_bonds(everything, fitted, beads_of, mode):
    system, frame = everything
    assert {residue.name for residue in system.topology.residues} >= {"ARG", "GLY", "PRO", "TRP", "VAL", "ACE", "NME"}
    atoms = fitted(system, mode=mode).backmap(system, beads_of(system, frame), 4, 0)[:, 0]
    assert np.isfinite(atoms).all()
    lengths = _bond_lengths(system.topology, atoms)
    assert lengths.min() > 0.115
    assert lengths.max() < 0.195
    missing, spurious = _graph_errors(system.topology, atoms)
    assert missing == 0
    assert spurious <= 0.02 * lengths.size
    assert (_chirality(system.topology, atoms) > 0).all()


def test_both_ends_and_the_terminal_oxygen_are_placed(villin, fitted, beads_of):
    system, frames = villin
    topology = system.topology
    atoms = fitted(system).backmap(system, beads_of(system, few(frames)), 2, 0)
    last = topology.residue(topology.n_residues - 1)
    places = {atom.name: atoms[..., atom.index, :] for atom in last.atoms}
    for oxygen in ("O", "OXT"):
        np.testing.assert_allclose(np.linalg.norm(places[oxygen] - places["C"], axis=-1), 0.125, atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(places["O"] - places["OXT"], axis=-1), 0.22, atol=0.015)
    first = {atom.name: atoms[..., atom.index, :] for atom in topology.residue(0).atoms}
    np.testing.assert_allclose(np.linalg.norm(first["N"] - first["CA"], axis=-1), 0.147, atol=0.015)


def test_a_chain_of_no_bonds_to_the_next_has_ends_of_its_own(villin, fitted, beads_of):
    system, frames = villin
    topology = mdtraj.Topology()
    for chain in range(2):
        copy = topology.add_chain()
        for residue in list(system.topology.residues)[10 * chain : 10 * chain + 10]:
            new = topology.add_residue(residue.name, copy, resSeq=residue.resSeq)
            for atom in residue.atoms:
                topology.add_atom(atom.name, atom.element, new)
    topology.create_standard_bonds()
    cut = System(topology, ca(topology), 300.0)
    beads = beads_of(system, few(frames, 2))
    beads = beads.replace_positions(beads.positions[:, :20])
    atoms = fitted(cut).backmap(cut, beads, 2, 0)
    assert _graph_errors(topology, atoms.reshape(-1, topology.n_atoms, 3))[0] == 0


@pytest.mark.parametrize("noise", [0.05, 0.1])
def test_noisy_beads_keep_side_chains_whole(villin, fitted, beads_of, noise):
    system, frames = villin
    beads = beads_of(system, few(frames))
    rng = np.random.default_rng(0)
    noisy = beads.replace_positions(beads.positions + rng.normal(scale=noise, size=beads.positions.shape))
    atoms = fitted(system).backmap(system, noisy, 1, 0)[0]
    side = [
        index
        for index, bond in enumerate(system.topology.bonds)
        if bond[0].residue.index == bond[1].residue.index
        and bond[0].residue.name != "PRO"
        and not {bond[0].name, bond[1].name} <= {"N", "CA", "C", "O", "OXT"}
    ]
    assert _bond_lengths(system.topology, atoms)[:, side].max() < 0.19


def test_it_says_what_it_is_not_made_for(villin, fitted, beads_of):
    system, frames = villin
    topology, beads = system.topology, beads_of(system, few(frames, 1))
    model = fitted(system)
    groups = CoarseMapping.from_groups([[0, 1], [2, 3]], topology.n_atoms, ["B1", "B2"])
    nitrogens = [[atom.index] for atom in topology.atoms if atom.name == "N"]
    others = CoarseMapping.from_groups(nitrogens, topology.n_atoms, [f"N{n}" for n in range(len(nitrogens))])
    for mapping, words in ((groups, "several atoms"), (others, "no C-alpha")):
        with pytest.raises(UnsupportedTaskError, match=words):
            model.fit(System(topology, mapping, 300.0), None, 0)
    with pytest.raises(SubmissionError, match="not fitted"):
        InternalCoordinates().backmap(system, beads, 1, 0)
    with pytest.raises(SubmissionError, match="34 beads"):
        model.backmap(system, beads.replace_positions(beads.positions[:, 1:]), 1, 0)
    broken = beads.positions.copy()
    broken[0, 3] = np.nan
    with pytest.raises(SubmissionError, match="frame 0 is not finite"):
        model.backmap(system, beads.replace_positions(broken), 1, 0)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["N", "CA", "C", "O", "H"], "hydrogen"),
        (["N", "CA", "C", "O", "XX"], "no heavy atom"),
    ],
)
def test_it_names_atoms_that_it_does_not_know(names, words):
    with pytest.raises(UnsupportedTaskError, match=words):
        InternalCoordinates().fit(_alanines(4, names), None, 0)


def test_it_refuses_a_chain_that_fixes_no_orientation():
    with pytest.raises(UnsupportedTaskError, match="2 residues"):
        InternalCoordinates().fit(_alanines(2, ["N", "CA", "C", "O", "CB"]), None, 0)


def test_it_refuses_files_that_hold_no_weights(tmp_path, villin):
    missing = InternalCoordinatesMode(tmp_path / "none.toml")
    with pytest.raises(BackmapbenchError, match=r"none\.toml"):
        missing.fit(villin[0], None, 0)


def _alanines(count, names):
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number in range(count):
        residue = topology.add_residue("ALA", chain, resSeq=number + 1)
        for name in names:
            topology.add_atom(name, mdtraj.element.get_by_symbol(name[0] if name[0] in "NCOH" else "C"), residue)
    topology.create_standard_bonds()
    return System(topology, ca(topology), 300.0)


def _bond_lengths(topology, atoms):
    pairs = np.array([(first.index, second.index) for first, second in topology.bonds])
    return np.linalg.norm(atoms[..., pairs[:, 0], :] - atoms[..., pairs[:, 1], :], axis=-1)


def _graph_errors(topology, atoms):
    """Bonds of the topology that the bond graph lacks, and edges of the graph that are no bonds."""
    radii = np.array([RADII[atom.element.symbol] for atom in topology.atoms])
    bonded = np.zeros((topology.n_atoms, topology.n_atoms), dtype=bool)
    for first, second in topology.bonds:
        bonded[first.index, second.index] = bonded[second.index, first.index] = True
    upper = np.triu(np.ones_like(bonded), 1)
    missing = spurious = 0
    for frame in atoms:
        near = 10 * np.linalg.norm(frame[:, None] - frame, axis=-1) < 1.3 * (radii[:, None] + radii)
        missing += int((bonded & ~near & upper).sum())
        spurious += int((near & ~bonded & upper).sum())
    return missing, spurious


def _chirality(topology, atoms):
    """Signed volumes at all CA but glycine's, positive for L."""
    found = []
    for residue in topology.residues:
        places = {atom.name: atoms[..., atom.index, :] for atom in residue.atoms}
        if "CB" in places and "CA" in places:
            n, c, beta = (places[name] - places["CA"] for name in ("N", "C", "CB"))
            found.append((np.cross(n, c) * beta).sum(-1))
    return np.array(found)
