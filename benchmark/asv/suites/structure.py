"""Structure metrics on large molecules and on collapsed ones, beside dense versions such as published code has.

The molecule is a chain of 186 made-up residues of eight heavy atoms (1,488 in all) on a compact self-avoiding walk, as
dense as a folded protein.
"""

import mdtraj
import numpy as np

from backmapbench.metrics import Frames
from backmapbench.metrics.bond_graph import BondGraph
from backmapbench.metrics.clash import CLASH_NM, Clash
from backmapbench.metrics.ged import Ged
from backmapbench.metrics.lddt import Lddt
from backmapbench.metrics.pairs import close_pairs
from backmapbench.metrics.selections import heavy_atoms

ATOMS = ["N", "CA", "C", "O", "CB", "CG", "SD", "CE"]
RESIDUES = 186
BEADS = 10
SPACING_NM = 0.15
COLUMN = 12  # residues before the walk turns


def molecule():
    """Topology and one frame (1488, 3), nm: residues of 2 x 2 x 2 atoms fold to and fro through a box."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    cube = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1], [0, 1, 0], [1, 0, 0], [1, 0, 1], [1, 1, 1], [1, 1, 0]])
    places = []
    for number in range(RESIDUES):
        residue = topology.add_residue("MET", chain)
        for name in ATOMS:
            topology.add_atom(name, mdtraj.element.get_by_symbol(name[0]), residue)
        row, column = divmod(number, COLUMN)
        plane, line = divmod(row, 4)
        places.append(cube * SPACING_NM + np.array([column, line, plane]) * 2.2 * SPACING_NM)
    return topology, np.concatenate(places)


class _Large:
    """1,000 frames of noise around one structure, and the same with every atom on one of ten beads."""

    timeout = 900
    params = ["noise", "collapsed"]
    param_names = ["prediction"]
    frames = 1000

    def setup(self, prediction):
        self.topology, rest = molecule()
        rng = np.random.default_rng(0)
        shape = (self.frames, *rest.shape)
        self.reference = (rest + rng.normal(scale=0.005, size=shape)).astype(np.float32)
        moved = self.reference + rng.normal(scale=0.01, size=shape)
        if prediction == "collapsed":
            for atoms in np.array_split(np.arange(rest.shape[0]), BEADS):
                moved[:, atoms] = moved[:, atoms].mean(axis=1, keepdims=True)
        self.prediction = moved.astype(np.float32)
        self.ged = Ged(BondGraph.of(self.topology))
        self.clash = Clash.fit(self)

    def sides(self):
        """Fresh objects, so that nothing is cached from the repetition before."""
        return Frames(self.reference[None]), Frames(self.prediction[None])


class GraphAndClash(_Large):
    """Bond graphs and clashes of 1,000 frames by neighbour search."""

    version = "1"
    number = 1
    repeat = 2
    warmup_time = 0

    def time_ged_and_clash(self, prediction):
        self.ged.statistics(*self.sides())
        self.clash.statistics(*self.sides())

    def peakmem_ged_and_clash(self, prediction):
        self.time_ged_and_clash(prediction)


class GraphAndClashDense(_Large):
    """The same of 10 frames from full distance matrices, atom by atom and residue by residue: multiply by 100."""

    version = "1"
    frames = 10
    number = 1
    repeat = 2
    warmup_time = 0

    def time_ged_and_clash(self, prediction):
        radii = self.ged.graph.radii
        cutoff = 1.3 * (radii[:, None] + radii)
        for frame, target in zip(self.prediction, self.reference, strict=True):
            near = [_distances(xyz) < cutoff for xyz in (frame, target)]
            np.triu(near[0] ^ near[1], 1).sum()
            for xyz in (frame, target):
                _clashing(_distances(xyz), self.clash)


def _distances(xyz):
    difference = xyz[:, None] - xyz[None]
    return np.sqrt((difference**2).sum(-1))


def _clashing(distances, clash):
    """Residues with a clash, pair of residues by pair of residues."""
    blocks = [np.flatnonzero(clash.residue == number) for number in range(clash.residues)]
    sides = [block[clash.side_chain[block]] for block in blocks]
    found = set()
    for i in range(clash.residues):
        for j in range(i + 1, clash.residues):
            first, second = (sides[i], sides[j]) if j == i + 1 else (blocks[i], blocks[j])
            if len(first) and len(second) and distances[np.ix_(first, second)].min() < CLASH_NM:
                found |= {i, j}
    return found


class LocalDistances(_Large):
    """lDDT of 100 frames."""

    version = "1"
    frames = 100
    number = 1
    repeat = 2
    warmup_time = 0

    def time_lddt(self, prediction):
        residue = np.array([atom.residue.index for atom in self.topology.atoms])
        Lddt(heavy_atoms(self.topology), residue).statistics(*self.sides())


class ClosePairs:
    """Pairs closer than 2.7 Angstrom in 20,000 / atoms frames by size and way: where the tree begins to win."""

    version = "1"
    params = [[22, 64, 175, 371, 1488], ["dense", "tree"]]
    param_names = ["atoms", "way"]

    def setup(self, atoms, way):
        if way == "dense" and atoms > 400:
            raise NotImplementedError  # asv's way to leave a combination out
        _, rest = molecule()
        noise = np.random.default_rng(0).normal(scale=0.005, size=(20_000 // atoms, atoms, 3))
        self.frames = (rest[:atoms] + noise).astype(np.float32)
        self.dense_atoms = 10**9 if way == "dense" else 0

    def time_close_pairs(self, atoms, way):
        close_pairs(self.frames, 0.27, self.dense_atoms)
