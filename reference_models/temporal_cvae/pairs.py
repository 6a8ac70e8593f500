"""Training examples: a frame, the frame before it, and the random numbers of one draw."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.reference_models.temporal_cvae.scene import Scene
from backmapbench.reference_models.temporal_cvae.settings import Preset
from backmapbench.reference_models.training import Draw
from backmapbench.submissions.protocol import System
from backmapbench.superposition import rotations


class Pairs:
    """Examples of one split: all frames that the preset pairs with a frame before, or every frame for the twin.

    Attributes:
        now: indices of the frames.
        before: indices of the frames before them, the same where none is seen.
    """

    def __init__(self, data: Trajectories, preset: Preset, scene: Scene, system: System) -> None:
        self._atoms = torch.from_numpy(np.ascontiguousarray(data.positions, dtype=np.float32))
        self._scene, self._preset = scene, preset
        self.now, self.before = paired(data.lengths, preset)
        self._turns: Tensor | None = None
        if scene.turned:
            beads = system.mapping.positions(np.asarray(data.positions, dtype=np.float64))
            self._turns = torch.from_numpy(rotations(beads, scene.reference.numpy())).float()

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.now)

    def atoms(self, examples: Tensor) -> Tensor:
        """Atoms (examples, N, 3), nm, as given."""
        return self._atoms[self.now[examples]]

    def atoms_before(self, examples: Tensor) -> Tensor:
        """Atoms (examples, N, 3), nm, of the frames before, as given."""
        return self._atoms[self.before[examples]]

    def draw(self, examples: Tensor, generator: Generator, *, training: bool) -> Draw:
        """Centred and turned ``now``, ``beads`` and ``before``, nm, and ``noise`` for the latent."""
        frames = self.now[examples]
        now, before = self._atoms[frames], self._atoms[self.before[examples]]
        turns = self._orientations(frames, generator, training=training)
        if turns is not None:
            now, before = now @ turns, before @ turns
        beads = self._scene.beads_of(now)
        draw = {"now": self._scene.centred(now), "beads": beads - beads.mean(-2, keepdim=True)}
        draw["noise"] = torch.randn(len(examples), self._preset.network.latent, generator=generator)
        if self._preset.network.previous:
            draw["before"] = self._scene.centred(before)
            if training and self._preset.pairs.condition_noise_nm:
                draw["before"] += self._preset.pairs.condition_noise_nm * torch.randn(before.shape, generator=generator)
        return draw

    def _orientations(self, frames: Tensor, generator: Generator, *, training: bool) -> Tensor | None:
        if self._turns is not None:
            return self._turns[frames]
        if not training:
            return None
        uniform = self._preset.pairs.orientation == "uniform"
        return (uniform_rotations if uniform else euler_rotations)(len(frames), generator)


def paired(lengths: tuple[int, ...], preset: Preset) -> tuple[Tensor, Tensor]:
    """Indices of frames and of the frames before them; no pair crosses the end of a trajectory.

    ``published`` leaves out what a slip in the published code did: a pair a trajectory. The first trajectory keeps all
    but, if it is the only one, its last; the others lose their first; the last loses its last.
    """
    if not preset.network.previous:
        every = torch.arange(sum(lengths))
        return every, every
    slip = preset.pairs.indexing == "published"
    starts = np.cumsum([0, *lengths[:-1]])
    parts: list[NDArray[np.intp]] = []
    for number, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        parts.append(np.arange(start + (2 if slip and number else 1), start + length))
    now = np.concatenate(parts) if parts else np.zeros(0, dtype=np.intp)
    if slip:
        now = now[: max(0, sum(max(0, length - 2) for length in lengths))]
    frames = torch.from_numpy(now)
    return frames, frames - 1


def uniform_rotations(count: int, generator: Generator) -> Tensor:
    """Rotation matrices (count, 3, 3) uniform on SO(3): normalised quaternions of four normal numbers."""
    quaternions = torch.randn(count, 4, generator=generator, dtype=torch.float64)
    w, x, y, z = (quaternions / quaternions.norm(dim=1, keepdim=True)).unbind(1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], dim=1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], dim=1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], dim=1),
    ]
    return torch.stack(rows, dim=1).float()


def euler_rotations(count: int, generator: Generator) -> Tensor:
    """Rotation matrices (count, 3, 3) of three uniform angles about z, y and z: not uniform on SO(3)."""
    first, middle, last = (2 * math.pi * torch.rand(3, count, generator=generator, dtype=torch.float64)).unbind(0)
    about_y = _plane(middle, 2, 0)
    return (_plane(first, 0, 1) @ about_y @ _plane(last, 0, 1)).float()


def _plane(angle: Tensor, a: int, b: int) -> Tensor:
    turn = torch.eye(3, dtype=angle.dtype).repeat(len(angle), 1, 1)
    turn[:, a, a] = turn[:, b, b] = torch.cos(angle)
    turn[:, b, a] = torch.sin(angle)
    turn[:, a, b] = -torch.sin(angle)
    return turn
