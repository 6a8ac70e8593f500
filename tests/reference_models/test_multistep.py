"""Chains: mappings that compose, drawing at every step, fitting at every level, errors by step."""

import itertools

import mdtraj
import numpy as np
import pytest

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.coarse_graining.grouping import contiguous
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError, UnsupportedTaskError
from backmapbench.reference_models.cgvae.chains import (
    RUN,
    CgvaeChain,
    CgvaeThreeStep,
    CgvaeTwoStep,
    CgvaeTwoStepMode,
    CgvaeTwoStepSeparate,
)
from backmapbench.reference_models.cgvae.structure import Structure
from backmapbench.reference_models.composition import Chain, Level
from backmapbench.reference_models.levels import ca_level, carrying, residue_level, run_level
from backmapbench.reference_models.multistep import GivenSingleAtoms, MultiStep, step_seed
from backmapbench.reference_models.step_errors import step_errors
from backmapbench.reference_models.training import PresetTrainable, TrainingRequest, checkpoint
from backmapbench.submissions import Backmapper, ModelInfo, System, TrainableBackmapper, TrainingSet
from backmapbench.submissions.registry import load_model

SIDES = {"ALA": ["CB"], "SER": ["CB", "OG"], "GLY": []}


@pytest.fixture(scope="module")
def peptide():
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number in range(12):
        kind = list(SIDES)[number % 3]
        residue = topology.add_residue(kind, chain, resSeq=number + 1)
        for name in ["N", "CA", "C", "O", *SIDES[kind]]:
            topology.add_atom(name, mdtraj.element.get_by_symbol(name[0]), residue)
    topology.create_standard_bonds()
    atoms = np.arange(topology.n_atoms)
    owner = contiguous(topology, atoms, 4)
    groups = [atoms[owner == bead].tolist() for bead in range(4)]
    return System(topology, CoarseMapping.from_groups(groups, len(atoms), [f"B{n}" for n in range(4)]), 300.0)


@pytest.fixture(scope="module")
def atoms(peptide):
    return Trajectories(
        np.random.default_rng(0).normal(size=(5, peptide.topology.n_atoms, 3)).astype(np.float32), (3, 2), None
    )


class Spread:
    """Places every atom on its bead plus noise; remembers what it was given."""

    info = ModelInfo(name="spread", description="noise")

    def __init__(self, width=0.1):
        self.width, self.calls, self.fitted = width, [], None

    def fit(self, system, training, seed):
        self.fitted = (system, training, seed)

    def backmap(self, system, beads, samples, seed):
        self.calls.append((len(beads), samples, seed))
        owner = np.asarray(system.mapping.weights.todense()).argmax(axis=0)
        rng = np.random.default_rng(seed)
        noise = rng.normal(scale=self.width, size=(samples, len(beads), system.topology.n_atoms, 3))
        noise -= np.asarray(system.mapping.positions(noise))[:, :, owner]
        return (beads.positions[:, owner] + noise).astype(np.float32)


INFO = ModelInfo(name="chain", description="a chain")
PLANS = {
    "residues": lambda system: [residue_level(system)],
    "pairs and residues": lambda system: [run_level(system, 2), residue_level(system)],
    "CA and beads": lambda system: [carrying(ca_level(system), system)],
}


@pytest.mark.parametrize("plan", ["residues", "pairs and residues", "CA and beads"])
def test_all_steps_together_are_the_direct_mapping(peptide, atoms, plan):
    chain = Chain.of(peptide, PLANS[plan](peptide))
    assert abs(chain.composed().weights - peptide.mapping.weights).max() < 1e-12
    positions = atoms.positions.astype(np.float64)
    for step in reversed(chain.steps):
        positions = step.mapping.positions(positions)
    np.testing.assert_allclose(positions, peptide.mapping.positions(atoms.positions.astype(np.float64)), atol=1e-12)
    for step, mapping in zip(chain.steps, chain.mappings, strict=True):
        assert step.topology.n_atoms == mapping.beads == step.mapping.atoms


def test_levels_that_do_not_compose_are_refused(peptide):
    """Beads of all heavy atoms are no function of C-alphas, nor of runs that cross the beads' borders."""
    with pytest.raises(SubmissionError, match="'beads' is no function of 'CA'"):
        Chain.of(peptide, [ca_level(peptide)])
    groups = np.array_split(np.arange(peptide.topology.n_atoms), 5)
    crossing = Level(
        "fifths", peptide.topology, CoarseMapping.from_groups(groups, peptide.topology.n_atoms, list("abcde"))
    )
    with pytest.raises(SubmissionError, match="no function of 'fifths'"):
        Chain.of(peptide, [crossing])
    with pytest.raises(SubmissionError, match="'residues' is no function of 'runs of 2 residues'"):
        Chain.of(peptide, [residue_level(peptide), run_level(peptide, 2)])


@pytest.fixture(scope="module")
def traced(peptide):
    """The same molecule with beads that are centres of C-alphas."""
    groups = np.array_split(ca_level(peptide).mapping.slice_atoms, 4)
    return System(peptide.topology, CoarseMapping.from_groups(groups, peptide.topology.n_atoms, list("abcd")), 300.0)


def test_separate_beads_are_those_of_the_trace(peptide, traced):
    chain = CgvaeTwoStepSeparate().build(traced)
    assert [step.topology.n_atoms for step in chain.steps] == [12, peptide.topology.n_atoms]
    np.testing.assert_allclose(chain.steps[0].mapping.weights.todense().sum(axis=1), 1)
    with pytest.raises(UnsupportedTaskError, match=r"separate: made for beads of C-alphas alone.*no function"):
        CgvaeTwoStepSeparate().build(peptide)


def test_the_two_step_row_carries_the_beads_beside_the_trace(peptide):
    shared = CgvaeTwoStep().build(peptide)
    assert [step.topology.n_atoms for step in shared.steps] == [12 + 4, peptide.topology.n_atoms]
    assert Structure.of(shared.steps[0]).bead.tolist() == [n // 3 for n in range(12)] + list(range(4))


def test_the_three_step_row_carries_the_runs(peptide):
    """Twelve residues in four beads of three: with runs of three every bead is one run."""
    chain = CgvaeThreeStep().build(peptide)
    assert RUN == 3
    assert [step.topology.n_atoms for step in chain.steps] == [4, 12 + 4, peptide.topology.n_atoms]
    assert (np.diff(chain.steps[0].mapping.weights.indptr) == 1).all()


class TestScatteredBeads:
    """Runs hold neighbours alone, wherever a bead's residues lie."""

    @staticmethod
    def level(topology, owners, residues):
        """Runs where residue ``n`` belongs to bead ``owners[n]``; first the residues of each run."""
        owner = np.array([owners[atom.residue.index] for atom in topology.atoms])
        groups = [np.flatnonzero(owner == bead).tolist() for bead in range(max(owners) + 1)]
        names = [f"B{number}" for number in range(len(groups))]
        system = System(topology, CoarseMapping.from_groups(groups, topology.n_atoms, names), 300.0)
        level = run_level(system, residues)
        weights = level.mapping.weights
        runs = [
            sorted({topology.atom(int(atom)).residue.index for atom in weights.indices[first:last]})
            for first, last in itertools.pairwise(weights.indptr)
        ]
        Chain.of(system, [level])
        assert sorted(itertools.chain.from_iterable(runs)) == list(range(topology.n_residues))
        return runs, level

    def test_alternating_residues_are_runs_of_their_own(self, peptide):
        assert self.level(peptide.topology, [0, 1] * 6, 3)[0] == [[number] for number in range(12)]

    def test_a_bead_that_comes_back_begins_anew(self, peptide):
        runs, _ = self.level(peptide.topology, [0] * 4 + [1] * 3 + [0] * 2 + [1] * 3, 3)
        assert runs == [[0, 1, 2], [3], [4, 5, 6], [7, 8], [9, 10, 11]]

    def test_runs_end_with_their_chain(self):
        topology = mdtraj.Topology()
        for _ in range(2):
            chain = topology.add_chain()
            for number in range(4):
                residue = topology.add_residue("GLY", chain, resSeq=number + 1)
                for name in ("N", "CA", "C", "O"):
                    topology.add_atom(name, mdtraj.element.get_by_symbol(name[0]), residue)
        topology.create_standard_bonds()
        runs, level = self.level(topology, [0] * 8, 3)
        assert runs == [[0, 1, 2], [3], [4, 5, 6], [7]]
        assert [chain.n_residues for chain in level.topology.chains] == [2, 2]


def test_every_sample_walks_the_whole_chain(peptide, atoms):
    beads = atoms.replace_positions(peptide.mapping.positions(atoms.positions))
    models = [Spread(), Spread(), Spread()]
    chain = MultiStep(INFO, PLANS["pairs and residues"], models)
    found = chain.backmap(peptide, beads, 3, 11)
    assert found.shape == (3, 5, peptide.topology.n_atoms, 3)
    assert found.dtype == np.float32
    assert [model.calls[0][:2] for model in models] == [(5, 3), (15, 1), (15, 1)]
    assert len({model.calls[0][2] for model in models}) == 3
    assert (found == chain.backmap(peptide, beads, 3, 11)).all()
    assert (found != chain.backmap(peptide, beads, 3, 12)).any()
    assert np.abs(found[0] - found[1]).max() > 0.05
    np.testing.assert_allclose(peptide.mapping.positions(found[2]), beads.positions, atol=1e-5)


def test_every_model_is_fitted_to_its_own_two_levels(peptide, atoms):
    models = [Spread(), Spread()]
    chain = MultiStep(INFO, PLANS["residues"], models)
    chain.fit(peptide, TrainingSet(atoms, atoms), 3)
    coarse, fine = (model.fitted for model in models)
    assert coarse[1].train.positions.shape == (5, 12, 3)
    assert fine[1].train.positions.shape == atoms.positions.shape
    assert coarse[2] != fine[2]
    for system, training, _ in (coarse, fine):
        beads = system.mapping.positions(training.train.positions)
        np.testing.assert_allclose(beads.mean(axis=1), 0, atol=1e-6)
        assert training.train.lengths == atoms.lengths
    residues = residue_level(peptide).mapping.positions(atoms.positions)
    shift = (coarse[1].train.positions - residues).astype(np.float64)
    np.testing.assert_allclose(shift, shift[:, :1].repeat(12, axis=1), atol=1e-6)


def test_errors_grow_from_step_to_step(peptide, atoms):
    chain = MultiStep(INFO, PLANS["residues"], [Spread(0.3), Spread(0.0)])
    first, second = step_errors(chain, peptide, atoms, 4, 0)
    assert (first.name, first.particles) == ("residues", 12)
    assert (second.name, second.particles) == ("atoms", peptide.topology.n_atoms)
    assert first.true_angstrom == pytest.approx(first.predicted_angstrom)
    assert second.predicted_angstrom > second.true_angstrom
    # The second step is exact but for the spread within residues: what it adds is what it was given.
    assert first.beads_angstrom < 1e-4
    assert second.beads_angstrom < 1e-4


def test_beads_that_a_level_carries_are_no_particles_of_it(peptide, atoms):
    """They are copied, so counting them would make the level's error look smaller than it is."""
    chain = MultiStep(INFO, PLANS["CA and beads"], [Spread(0.3), GivenSingleAtoms(Spread(0.0))])
    first, _ = step_errors(chain, peptide, atoms, 2, 0)
    assert first.particles == 12
    beads = atoms.replace_positions(peptide.mapping.positions(atoms.positions))
    trace = ca_level(peptide).mapping.slice_atoms
    found = chain.walk(chain.build(peptide), beads, 2, 0)[0][:, :, :12]
    off = ((found - atoms.positions[:, trace]) ** 2).sum(-1).mean(-1)
    assert first.true_angstrom == pytest.approx(10 * np.sqrt(off).mean(), rel=1e-5)


def test_the_true_intermediate_costs_nothing_where_the_first_step_is_right(peptide, atoms):
    """A first step that knows the answer leaves the second step's own error alone."""

    class Knows(Spread):
        def backmap(self, system, beads, samples, seed):
            level = residue_level(peptide).mapping.positions(atoms.positions)
            return np.repeat(level[None], samples, axis=0).astype(np.float32)

    chain = MultiStep(INFO, PLANS["residues"], [Knows(), Spread()])
    first, second = step_errors(chain, peptide, atoms, 2, 0)
    assert first.predicted_angstrom == pytest.approx(0, abs=1e-5)
    assert second.predicted_angstrom == pytest.approx(second.true_angstrom, rel=0.1)


def test_a_model_of_single_atoms_is_spared_the_carried_beads(peptide, atoms):
    inner = Spread()
    step = Chain.of(peptide, PLANS["CA and beads"](peptide)).steps[1]
    model = GivenSingleAtoms(inner)
    model.fit(step, TrainingSet(atoms, atoms), 0)
    assert inner.fitted[0].mapping.bead_names == ca_level(peptide).mapping.bead_names
    given = atoms.replace_positions(step.mapping.positions(atoms.positions))
    found = model.backmap(step, given, 1, 0)
    expected = inner.backmap(inner.fitted[0], given.replace_positions(given.positions[:, :12]), 1, 0)
    assert (found == expected).all()
    with pytest.raises(SubmissionError, match="no bead is a single atom"):
        model.backmap(peptide, atoms, 1, 0)


def test_wrong_numbers_of_models_are_refused(peptide):
    with pytest.raises(SubmissionError, match="1 models for 2 steps"):
        MultiStep(INFO, PLANS["residues"], [Spread()]).build(peptide)
    with pytest.raises(SubmissionError, match="at least one model"):
        MultiStep(INFO, PLANS["residues"], [])


def test_rows():
    rows = [CgvaeTwoStep(), CgvaeTwoStepMode(), CgvaeTwoStepSeparate(), CgvaeThreeStep()]
    names = ["cgvae-2step", "cgvae-2step@mode", "cgvae-2step-separate", "cgvae-3step"]
    assert [row.info.name for row in rows] == names
    assert [len(row.models) for row in rows] == [2, 2, 2, 3]
    assert [row.info.deterministic for row in rows] == [False, True, False, False]
    for row in rows:
        assert isinstance(row, Backmapper)
        assert isinstance(row, TrainableBackmapper)
        assert isinstance(row, PresetTrainable)


SIZES = ("model.width=12", "model.hidden=4", "model.encoder_depth=1", "model.prior_depth=1", "model.decoder_depth=1")


def test_a_chain_is_trained_step_by_step_and_comes_back(peptide, atoms, tmp_path):
    """Every step of cgvae has a folder of its own; the door leads to all of them."""
    changes = ("training.steps=3", "training.micro_batch=2", *SIZES)
    row = CgvaeTwoStep()
    result = row.train(peptide, TrainingSet(atoms, atoms), TrainingRequest(None, changes, tmp_path, 5))
    assert result.steps == 3
    stored = checkpoint.read(tmp_path / "step-1" / "weights.toml").content["training"]
    assert stored["seed"] == step_seed(5, 0)
    assert stored["data"] == "5 frames of 16 atoms in 4 beads"
    beads = atoms.replace_positions(peptide.mapping.positions(atoms.positions))
    found = row.backmap(peptide, beads, 1, 0)
    assert found.shape == (1, 5, peptide.topology.n_atoms, 3)
    assert np.isfinite(found).all()
    trained, _ = load_model(f"{tmp_path / 'model.py'}:Trained")
    trained.fit(peptide, TrainingSet(atoms, atoms), 0)
    assert (trained.backmap(peptide, beads, 1, 0) == found).all()


def test_separate_beads_are_trained_and_come_back(traced, atoms, tmp_path):
    """The first step is given centres of C-alphas and generates C-alphas alone."""
    request = TrainingRequest(None, ("training.steps=2", "training.micro_batch=2", *SIZES), tmp_path, 5)
    row = CgvaeTwoStepSeparate()
    row.train(traced, TrainingSet(atoms, atoms), request)
    stored = checkpoint.read(tmp_path / "step-1" / "weights.toml").content["training"]
    assert stored["data"] == "5 frames of 12 atoms in 4 beads"
    trained, _ = load_model(f"{tmp_path / 'model.py'}:Trained")
    assert trained.info.name == "cgvae-2step-separate"
    trained.fit(traced, TrainingSet(atoms, atoms), 0)
    beads = atoms.replace_positions(traced.mapping.positions(atoms.positions))
    found = trained.backmap(traced, beads, 2, 0)
    assert (found == row.backmap(traced, beads, 2, 0)).all()
    assert found.shape == (2, 5, traced.topology.n_atoms, 3)
    np.testing.assert_allclose(traced.mapping.positions(found[1]), beads.positions, atol=1e-4)


def test_a_chain_that_is_no_row_is_not_trained(traced, atoms, tmp_path):
    """Its door could not be opened."""
    chain = CgvaeChain("mine", "my way", lambda system: [ca_level(system)], Spread())
    with pytest.raises(SubmissionError, match=r"mine: is built from parts.*train a subclass"):
        chain.train(traced, TrainingSet(atoms, atoms), TrainingRequest(None, SIZES, tmp_path, 5))
