import mdtraj
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError, UnsupportedTaskError
from backmapbench.reference_models.chain_flow.model import ChainFlow
from backmapbench.submissions import System

RADII = {"C": 0.68, "N": 0.68, "O": 0.68, "S": 1.02}  # Angstrom, of the bond graph
RUNS = [residue // 7 for residue in range(35)]


def few(frames, count=3):
    return frames.pick(np.arange(count))


def of_residues(topology, assignment):
    groups = [[] for _ in range(max(assignment) + 1)]
    for atom in topology.atoms:
        groups[assignment[atom.residue.index]].append(atom.index)
    return of_groups(topology, groups)


def of_groups(topology, groups):
    names = [f"B{number}" for number in range(len(groups))]
    return System(topology, CoarseMapping.from_groups(groups, topology.n_atoms, names), 300.0)


def cut_inside_residues(topology):
    """Beads of 10 atoms that follow each other, whatever their residue."""
    return of_groups(topology, [list(part) for part in np.array_split(np.arange(topology.n_atoms), 29)])


SYSTEMS = {
    "one bead": lambda topology: of_residues(topology, [0] * 35),
    "two beads": lambda topology: of_residues(topology, [0] * 17 + [1] * 18),
    "runs": lambda topology: of_residues(topology, RUNS),
    "scattered": lambda topology: of_residues(topology, [residue % 4 for residue in range(35)]),
    "inside residues": cut_inside_residues,
    "some atoms": lambda topology: of_groups(topology, [[5, 6, 90], [200, 201], [250]]),
}


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("mode", [False, True])
def test_any_beads_are_taken_and_kept(villin, fitted, beads_of, name, mode):
    topology, frames = villin
    system = SYSTEMS[name](topology)
    beads = beads_of(system, few(frames, 2))
    atoms = fitted(system, mode=mode).backmap(system, beads, 1, 0)
    assert atoms.shape == (1, 2, topology.n_atoms, 3)
    assert atoms.dtype == np.float32
    np.testing.assert_allclose(system.mapping.positions(atoms[0]), beads.positions, atol=1e-5)


def test_c_alphas_as_beads_are_kept(villin, fitted, beads_of, alphas):
    topology, frames = villin
    system = alphas(topology)
    beads = beads_of(system, few(frames, 2))
    atoms = fitted(system).backmap(system, beads, 1, 0)
    np.testing.assert_allclose(system.mapping.positions(atoms[0]), beads.positions, atol=1e-5)


@pytest.mark.parametrize("mode", [False, True])
def test_turned_and_shifted_beads_give_turned_and_shifted_atoms(villin, fitted, beads_of, mode):
    topology, frames = villin
    system = of_residues(topology, RUNS)
    model, beads = fitted(system, mode=mode, trained=True), beads_of(system, few(frames))
    turn = Rotation.random(random_state=1).as_matrix()
    shift = np.array([0.3, -0.7, 0.5])
    atoms = model.backmap(system, beads, 1, 7)[0].astype(np.float64)
    moved = model.backmap(system, beads.replace_positions(beads.positions @ turn.T + shift), 1, 7)[0]
    np.testing.assert_allclose(moved, atoms @ turn.T + shift, atol=1e-5)


def test_the_same_seed_gives_the_same_atoms_and_another_others(villin, fitted, beads_of):
    topology, frames = villin
    system = of_residues(topology, RUNS)
    beads, model = beads_of(system, few(frames)), fitted(system, trained=True)
    first, again, other = (model.backmap(system, beads, 2, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.05
    assert np.abs(first[0] - first[1]).max() > 0.05


def test_the_mode_does_not_know_a_seed(villin, fitted, beads_of):
    topology, frames = villin
    system = of_residues(topology, RUNS)
    beads, model = beads_of(system, few(frames)), fitted(system, mode=True)
    first, other = (model.backmap(system, beads, 2, seed) for seed in (3, 4))
    assert model.info.deterministic
    np.testing.assert_array_equal(first, other)
    np.testing.assert_array_equal(first[0], first[1])


def test_chunks_do_not_change_traces(villin, fitted, beads_of, monkeypatch):
    topology, frames = villin
    system = of_residues(topology, RUNS)
    beads, model = beads_of(system, few(frames, 5)), fitted(system, trained=True)
    whole = model.backmap(system, beads, 1, 0)
    monkeypatch.setattr("backmapbench.reference_models.chain_flow.flow.CHUNK", 2)
    np.testing.assert_allclose(model.backmap(system, beads, 1, 0), whole, atol=1e-4)


def test_samples_of_one_bead_come_on_either_side(villin, fitted, beads_of):
    # One bead says nothing of the orientation, so draws differ by more than a residue.
    topology, frames = villin
    system = of_residues(topology, [0] * 35)
    atoms = fitted(system, trained=True).backmap(system, beads_of(system, few(frames, 1)), 2, 0)[:, 0]
    assert np.linalg.norm(atoms[0] - atoms[1], axis=-1).mean() > 0.3


def test_all_amino_acids_and_caps_are_placed(everything, fitted, beads_of):
    topology, frame = everything
    system = of_residues(topology, [residue // 6 for residue in range(topology.n_residues)])
    beads = beads_of(system, frame)
    atoms = fitted(system, trained=True).backmap(system, beads, 3, 0)[:, 0]
    missing, spurious = graph_errors(topology, atoms)
    assert missing.mean() <= 0.01
    assert spurious.mean() <= 0.03
    np.testing.assert_allclose(system.mapping.positions(atoms), np.repeat(beads.positions, 3, axis=0), atol=1e-5)


@pytest.mark.parametrize("beads", [3, 10])
def test_delivered_weights_fold_villin(villin, fitted, beads_of, beads):
    topology, frames = villin
    system = of_residues(topology, [residue * beads // 35 for residue in range(35)])
    frames = few(frames, 6)
    atoms = fitted(system, trained=True).backmap(system, beads_of(system, frames), 1, 0)[0]
    deviation = np.sqrt(((atoms - frames.positions) ** 2).sum(-1).mean(-1))
    centre = beads_of(system, frames).positions[:, [atom.residue.index * beads // 35 for atom in topology.atoms]]
    assert deviation.mean() < 0.4
    assert deviation.mean() < 0.7 * np.sqrt(((centre - frames.positions) ** 2).sum(-1).mean(-1)).mean()
    missing, spurious = graph_errors(topology, atoms)
    assert (missing + spurious).mean() <= 0.02
    assert (_chirality(topology, atoms) > 0).all()
    assert (np.cos(mdtraj.compute_omega(mdtraj.Trajectory(atoms, topology))[1]) < 0).all()


def test_two_chains_are_no_one_chain(villin, fitted, beads_of):
    topology, frames = villin
    two = topology.join(topology)
    apart = frames.positions[1:2] + np.array([4.0, 0.0, 0.0])
    frame = Trajectories(np.concatenate([frames.positions[:1], apart], axis=1).astype(np.float32), (1,), None)
    system = of_residues(two, RUNS + [5 + bead for bead in RUNS])
    atoms = fitted(system, trained=True).backmap(system, beads_of(system, frame), 1, 0)[0]
    missing, spurious = graph_errors(two, atoms)
    assert (missing + spurious).mean() <= 0.02


def test_it_says_what_it_is_not_made_for(villin, fitted, beads_of):
    topology, frames = villin
    system = of_residues(topology, RUNS)
    beads, model = beads_of(system, few(frames, 1)), fitted(system)
    with pytest.raises(SubmissionError, match="not fitted"):
        ChainFlow().backmap(system, beads, 1, 0)
    with pytest.raises(SubmissionError, match="given 4 beads, the mapping has 5"):
        model.backmap(system, beads.replace_positions(beads.positions[:, 1:]), 1, 0)
    broken = beads.positions.copy()
    broken[0, 3] = np.nan
    with pytest.raises(SubmissionError, match="frame 0 is not finite"):
        model.backmap(system, beads.replace_positions(broken), 1, 0)
    two = topology.join(topology)
    with pytest.raises(UnsupportedTaskError, match="no bead holds an atom of chain 2"):
        model.fit(of_groups(two, [list(range(topology.n_atoms))]), None, 0)


def test_residues_it_does_not_know_are_refused(fitted):
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(4):
        residue = topology.add_residue("ALA", chain)
        for name in ("N", "CA", "C", "O", "XX"):
            topology.add_atom(name, mdtraj.element.carbon, residue)
    topology.create_standard_bonds()
    with pytest.raises(UnsupportedTaskError, match="no heavy atom"):
        fitted(of_groups(topology, [list(range(10)), list(range(10, 20))]))


def graph_errors(topology, atoms):
    """Share of bonds that are missing, and of those that are spurious, of each frame."""
    radii = np.array([RADII[atom.element.symbol] for atom in topology.atoms])
    true = np.zeros((topology.n_atoms, topology.n_atoms), dtype=bool)
    for first, second in topology.bonds:
        true[first.index, second.index] = true[second.index, first.index] = True
    gaps = 10 * np.linalg.norm(atoms[:, :, None].astype(np.float64) - atoms[:, None], axis=-1)
    found = (gaps < 1.3 * (radii[:, None] + radii)) & ~np.eye(topology.n_atoms, dtype=bool)
    return ((true & ~found).sum((1, 2)) / true.sum(), (found & ~true).sum((1, 2)) / true.sum())


def _chirality(topology, atoms):
    """Sign of the volume at every CA but glycine's: positive for L."""
    rows = []
    for residue in topology.residues:
        places = {atom.name: atom.index for atom in residue.atoms}
        if "CB" in places:
            rows.append([places[name] for name in ("CA", "N", "C", "CB")])
    ca, n, c, cb = (atoms[:, [row[place] for row in rows]] for place in range(4))
    return np.einsum("fri,fri->fr", np.cross(n - ca, c - ca), cb - ca)
