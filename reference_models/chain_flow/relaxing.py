"""Overlaps of whole structures relieved: bonds, angles and planes are kept, torsions give way."""

from __future__ import annotations

from dataclasses import dataclass

import mdtraj
import networkx as nx
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Van der Waals radii, nm (Bondi, J. Phys. Chem. 68, 441, 1964; carbons with their hydrogens a little more).
RADII_NM = {"C": 0.175, "N": 0.155, "O": 0.148, "S": 0.180}
OTHER_NM = 0.17
ALLOWED_NM = 0.034  # overlap of radii that contacts of packed proteins show
POLAR_NM = 0.03  # more between N, O and S, as in hydrogen bonds
NEAR_BONDS = 3  # atoms up to so many bonds apart have no contact
RINGS = ("PHE", "TYR", "TRP", "HIS")
CENTRES = (("CA", "N", "C", "CB"), ("CB", "CA", "OG1", "CG2"), ("CB", "CA", "CG1", "CG2"))  # and of THR, ILE (and VAL)
FLATTEST_NM3 = 1e-3  # signed volume of an L residue's C-alpha; 2.6e-3 is usual
STIFF = 2.0  # weight of kept distances against contacts
HOME = 0.01  # weight of moves
RATE, MOMENTUM = 0.03, 0.8  # of steepest descent
MARGIN_NM = 0.12  # beyond contact, of pairs that are watched
REFRESH = 20  # steps between searches for them
FRAMES = 64  # at once


@dataclass(frozen=True)
class Relaxation:
    """What is kept and what keeps apart in one molecule.

    Attributes:
        kept: pairs of atoms whose distance stays, (pairs, 2).
        nearest: what other pairs keep, (atoms, atoms), nm; 0 for pairs that are not looked at, and below the diagonal.
        centres: carbons of four different groups with three of these, (centres, 4).
        alphas: which of them are C-alphas, with N, C and CB, (centres,).
    """

    kept: Tensor
    nearest: Tensor
    centres: Tensor
    alphas: Tensor

    @classmethod
    def of(cls, topology: mdtraj.Topology) -> Relaxation:
        """Of a topology with bonds."""
        bonds = nx.Graph([(first.index, second.index) for first, second in topology.bonds])
        apart = dict(nx.all_pairs_shortest_path_length(bonds, cutoff=NEAR_BONDS))
        near = {(one, two): steps for one, others in apart.items() for two, steps in others.items() if one < two}
        kept = {pair for pair, steps in near.items() if steps < NEAR_BONDS} | _planes(topology, bonds)
        nearest = _limits(topology)
        for one, two in near:
            nearest[one, two] = 0.0
        pairs = np.array(sorted(kept), dtype=np.int64).reshape(-1, 2)
        centres = _centres(topology)
        alphas = torch.tensor([topology.atom(int(index)).name == "CA" for index in centres[:, 0]], dtype=torch.bool)
        return cls(torch.from_numpy(pairs), torch.from_numpy(np.triu(nearest, 1)), centres, alphas)

    def relax(self, atoms: Tensor, steps: int) -> Tensor:
        """Structures (frames, atoms, 3), nm, double, moved until contacts hold, nearly.

        One that would turn a centre inside out stays as it was.
        """
        relaxed = torch.cat([self._relaxed(part, steps) for part in torch.split(atoms, FRAMES)])
        inverted = (self._volumes(atoms).sign() != self._volumes(relaxed).sign()).any(-1)
        return torch.where(inverted[:, None, None], atoms, relaxed)

    def flat(self, atoms: Tensor) -> Tensor:
        """Number of C-alphas that are not clearly L, (frames,): of these too flat as well, as on a stretched trace."""
        volumes = self._volumes(atoms)[:, self.alphas]
        return (volumes < FLATTEST_NM3).sum(-1)

    def _relaxed(self, atoms: Tensor, steps: int) -> Tensor:
        lengths, at, moving = self._lengths(atoms), atoms, torch.zeros_like(atoms)
        for step in range(steps):
            if step % REFRESH == 0:
                watched, limits = self._watched(at)
            tried = at.detach().requires_grad_()
            with torch.enable_grad():
                gaps = (tried[watched[0], watched[1]] - tried[watched[0], watched[2]]).norm(dim=-1)
                contact = (limits - gaps).clamp_min(0).square().sum()
                kept = (self._lengths(tried) - lengths).square().sum()
                loss = contact + STIFF * kept + HOME * (tried - atoms).square().sum()
            (slope,) = torch.autograd.grad(loss, tried)
            moving = MOMENTUM * moving - RATE * slope
            at = at + moving
        return at

    def _watched(self, atoms: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Pairs near contact as (frame, atom, atom), and their limits."""
        near = (torch.cdist(atoms, atoms) < self.nearest + MARGIN_NM) & (self.nearest > 0)
        frame, one, two = near.nonzero(as_tuple=True)
        return (frame, one, two), self.nearest[one, two]

    def _volumes(self, atoms: Tensor) -> Tensor:
        """Signed volumes at the centres, (frames, centres)."""
        centre, *arms = (atoms[:, self.centres[:, place]] for place in range(4))
        first, second, third = (arm - centre for arm in arms)
        volumes: Tensor = (torch.linalg.cross(first, second) * third).sum(-1)
        return volumes

    def _lengths(self, atoms: Tensor) -> Tensor:
        lengths: Tensor = (atoms[:, self.kept[:, 0]] - atoms[:, self.kept[:, 1]]).norm(dim=-1)
        return lengths


def _limits(topology: mdtraj.Topology) -> NDArray[np.float64]:
    symbols = ["" if atom.element is None else atom.element.symbol for atom in topology.atoms]
    radii = np.array([RADII_NM.get(symbol, OTHER_NM) for symbol in symbols])
    polar = np.array([symbol in {"N", "O", "S"} for symbol in symbols])
    return np.asarray(radii[:, None] + radii - ALLOWED_NM - POLAR_NM * (polar[:, None] & polar), dtype=np.float64)


def _centres(topology: mdtraj.Topology) -> Tensor:
    found = []
    for residue in topology.residues:
        places = {atom.name: atom.index for atom in residue.atoms}
        found += [[places[name] for name in names] for names in CENTRES if places.keys() >= set(names)]
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 4)


def _planes(topology: mdtraj.Topology, bonds: nx.Graph) -> set[tuple[int, int]]:
    """Pairs that keep peptide bonds, aromatic rings and guanidinium groups as planar as they are."""
    axes = [
        (first.index, second.index)
        for first, second in topology.bonds
        if {first.name, second.name} == {"C", "N"} or {first.name, second.name} == {"NE", "CZ"}
    ]
    ends = [
        (min(one, two), max(one, two))
        for left, right in axes
        for one in bonds[left]
        for two in bonds[right]
        if one not in {right, two} and two != left
    ]
    backbone = {"N", "CA", "C", "O", "OXT"}
    for residue in topology.residues:
        if residue.name in RINGS:
            ring = [atom.index for atom in residue.atoms if atom.name not in backbone]
            ends += [(one, two) for one in ring for two in ring if one < two]
    return set(ends)
