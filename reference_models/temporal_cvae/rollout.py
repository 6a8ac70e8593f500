"""Frames one after the other, many trajectories at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.reference_models.temporal_cvae.latent import Mixture
from backmapbench.reference_models.temporal_cvae.network import VoxelCvae
from backmapbench.reference_models.temporal_cvae.scene import Scene
from backmapbench.superposition import rotations

ROWS = 128  # frames decoded at once


@dataclass(frozen=True)
class Sampler:
    """A trained decoder with what it draws from.

    Attributes:
        network: on the device where it is to run.
        scene: on the same device.
        mixture: density of the latents.
        rows: trajectories (frames, for the twin) in one batch; changes results by rounding alone.
    """

    network: VoxelCvae
    scene: Scene
    mixture: Mixture
    rows: int = ROWS

    @torch.inference_mode()
    def frames(self, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """Atoms (samples, frames, N, 3), nm, without a frame before."""
        points, origins, turns = self._inputs(beads)
        result = np.empty((samples, len(beads), self.network.sizes.atoms, 3), dtype=np.float32)
        for sample in range(samples):
            latents = self._latents(seed, sample, beads.lengths)
            for start in range(0, len(beads), self.rows):
                part = slice(start, min(start + self.rows, len(beads)))
                noise = np.stack([next(latents) for _ in range(part.stop - start)])
                atoms = self._decode(points[part], None, noise) @ turns[part].mT + origins[part]
                result[sample, part] = atoms.cpu().numpy()
        return result

    @torch.inference_mode()
    def trajectories(
        self, beads: Trajectories, first: NDArray[np.floating], samples: int, seed: int
    ) -> NDArray[np.float32]:
        """Atoms (samples, frames, N, 3), nm; ``first`` (trajectories, N, 3): the frame before each trajectory."""
        points, origins, turns = self._inputs(beads)
        result = np.empty((samples, len(beads), self.network.sizes.atoms, 3), dtype=np.float32)
        starts = np.array([part.start for part in beads.slices])
        rows = [(sample, number) for sample in range(samples) for number in range(len(beads.lengths))]
        # Longest first: trajectories that have ended are always the last of a batch.
        rows.sort(key=lambda row: -beads.lengths[row[1]])
        for part in range(0, len(rows), self.rows):
            chosen = rows[part : part + self.rows]
            lengths = np.array([beads.lengths[number] for _, number in chosen])
            streams = [self.mixture.stream((seed, sample, number)) for sample, number in chosen]
            before = torch.from_numpy(np.stack([first[number] for _, number in chosen]))
            before = before.to(points.dtype).to(points.device)
            begins = starts[[number for _, number in chosen]]
            whose = np.array([sample for sample, _ in chosen])
            for frame in range(lengths[0]):
                active = int((lengths > frame).sum())
                now = begins[:active] + frame
                noise = np.stack([next(stream) for stream in streams[:active]])
                seen = self.scene.centred(before[:active]) @ turns[now]
                before = self._decode(points[now], seen, noise) @ turns[now].mT + origins[now]
                result[whose[:active], now] = before.cpu().numpy()
        return result

    def _inputs(self, beads: Trajectories) -> tuple[Tensor, Tensor, Tensor]:
        """Centred and turned beads (frames, n, 3), their centroids (frames, 1, 3), the turns (frames, 3, 3)."""
        device = self.scene.reference.device
        given = np.asarray(beads.positions, dtype=np.float64)
        origins = given.mean(axis=1, keepdims=True)
        turns = np.broadcast_to(np.eye(3), (len(given), 3, 3))
        if self.scene.turned:
            turns = rotations(given, self.scene.reference.cpu().numpy())
        arrays = ((given - origins) @ turns, origins, turns)
        points, centres, matrices = (torch.from_numpy(np.array(a, dtype=np.float32)).to(device) for a in arrays)
        return points, centres, matrices

    def _decode(self, points: Tensor, before: Tensor | None, noise: NDArray[np.float32]) -> Tensor:
        latents = torch.from_numpy(noise).to(points.device)
        voxels = self.network.decoder(self.scene.condition(points, before), latents)
        return self.scene.placed(self.scene.located(voxels, points), points)

    def _latents(self, seed: int, sample: int, lengths: tuple[int, ...]) -> Iterator[NDArray[np.float32]]:
        for number, length in enumerate(lengths):
            stream = self.mixture.stream((seed, sample, number))
            for _ in range(length):
                yield next(stream)
