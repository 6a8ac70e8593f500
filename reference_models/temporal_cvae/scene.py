"""Between molecules and the network: centring, turning, voxels, read-out, beads held."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backmapbench.reference_models.temporal_cvae.grid import Grid
from backmapbench.reference_models.temporal_cvae.settings import Preset
from backmapbench.submissions.protocol import System

SOFTNESS = 1e-2  # pull of each atom towards its place, in units of the pull along a bond


class Scene(nn.Module):
    """A molecule, its beads and the grid under a preset; the same in training and in use.

    Attributes:
        grid: the voxels.
        turned: whether frames are turned onto reference beads before they are put on the grid.
    """

    beads: Tensor
    spread: Tensor
    reference: Tensor

    def __init__(self, preset: Preset, system: System, reference: NDArray[np.floating]) -> None:
        """``reference``: beads (n, 3), nm, that frames are turned onto where the preset says so."""
        super().__init__()
        self.grid = Grid(preset.grid)
        self.turned = preset.pairs.orientation == "aligned"
        self._settings = preset.readout
        self._own = preset.pairs.origin == "own"
        self._previous = preset.network.previous
        weights = system.mapping.weights.toarray()
        self.register_buffer("beads", torch.from_numpy(weights).float(), persistent=False)
        self.register_buffer("spread", torch.from_numpy(elastic(system)).float(), persistent=False)
        centred = np.asarray(reference, dtype=np.float64) - np.mean(reference, axis=0)
        self.register_buffer("reference", torch.from_numpy(centred).float(), persistent=False)

    def beads_of(self, atoms: Tensor) -> Tensor:
        """Beads (..., n, 3) of atoms (..., N, 3)."""
        return self.beads @ atoms

    def centred(self, atoms: Tensor) -> Tensor:
        """Atoms (..., N, 3) on the preset's origin: their own centroid, or that of their beads."""
        return atoms - (atoms if self._own else self.beads_of(atoms)).mean(-2, keepdim=True)

    def condition(self, beads: Tensor, before: Tensor | None) -> Tensor:
        """Voxels that the network is given, of centred beads and, if it sees them, atoms of the frame before."""
        points = beads if before is None or not self._previous else torch.cat([beads, before], dim=1)
        voxels: Tensor = self.grid(points)
        return voxels

    def located(self, voxels: Tensor, beads: Tensor) -> Tensor:
        """Atoms (frames, N, 3), nm, on the grid's origin; put onto ``beads`` (frames, n, 3) if the preset says so."""
        if self._settings.form == "sum":
            atoms = self.grid.locate(voxels)
        else:
            atoms = self.grid.locate_corrected(voxels, self._settings.power)
        return atoms + self.spread @ (beads - self.beads_of(atoms)) if self._settings.projection else atoms

    def placed(self, atoms: Tensor, beads: Tensor) -> Tensor:
        """Located atoms moved so that the centroid of their beads is that of ``beads``: a read-out knows no origin."""
        return atoms + (beads - self.beads_of(atoms)).mean(-2, keepdim=True)


def elastic(system: System) -> NDArray[np.float64]:
    """How atoms follow when beads are put right: (atoms, beads).

    Of all displacements with the beads' displacement prescribed, the one with the least sum of squared differences over
    bonds (and, weakly, of squares): neighbours of a bead go with it, so bonds are not torn.
    """
    count = system.topology.n_atoms
    stiffness = SOFTNESS * np.eye(count)
    for first, second in system.topology.bonds:
        a, b = first.index, second.index
        stiffness[[a, b], [a, b]] += 1
        stiffness[[a, b], [b, a]] -= 1
    weights = system.mapping.weights.toarray()
    follow = np.linalg.solve(stiffness, weights.T)
    result: NDArray[np.float64] = np.linalg.solve((weights @ follow).T, follow.T).T
    return result
