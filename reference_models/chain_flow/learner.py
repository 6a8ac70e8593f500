"""Training as the shared engine wants it told."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Generator, Tensor, nn

from backmapbench.reference_models.chain_flow.beads import Beads
from backmapbench.reference_models.chain_flow.data import Examples
from backmapbench.reference_models.chain_flow.network import Velocity
from backmapbench.reference_models.chain_flow.partitions import draw_partition
from backmapbench.reference_models.chain_flow.scene import UNIT_NM, Context, Scene
from backmapbench.reference_models.chain_flow.settings import Preset
from backmapbench.reference_models.training import Draw
from backmapbench.reference_models.training.adamw import AdamWLearner

LAGS = (1, 2, 3, 5)  # of differences along the chain in the loss


class Matching(nn.Module):
    """Mean squared error of the velocity against the straight line from prior to data (conditional flow matching).

    Differences of the error along the chain are weighed in, in bond lengths: they change no minimum, since the best
    velocity is a conditional mean under any quadratic form, but stop long waves from drowning local geometry.
    """

    def __init__(self, velocity: Velocity, local: float) -> None:
        super().__init__()
        self.velocity, self.local = velocity, local

    def forward(self, draw: Draw) -> dict[str, Tensor]:
        """Of what the learner draws."""
        names = Scene.__dataclass_fields__
        scene = Scene(**{name: draw[name] for name in names})
        time = draw["time"]
        line = draw["end"] - draw["start"]
        at = draw["start"] + time[:, None, None] * line
        error = (self.velocity(scene, Context.of(scene), at, time) - line) / UNIT_NM
        real = (scene.chain >= 0).to(error.dtype)
        whole = (error.square().sum(-1) * real).sum() / real.sum()
        local = torch.zeros_like(whole)
        for lag in LAGS:
            same = ((scene.chain[:, lag:] == scene.chain[:, :-lag]) & (scene.chain[:, lag:] >= 0)).to(error.dtype)
            apart = (error[:, lag:] - error[:, :-lag]).square().sum(-1)
            local = local + (apart * same).sum() / (lag * same.sum().clamp_min(1))
        return {"loss": whole + self.local * local, "whole": whole, "local": local}


class FlowLearner(AdamWLearner):
    """Draws frames, beads, noise and times; minimises the error of the velocity."""

    def __init__(self, preset: Preset, velocity: Velocity, training: Examples, validation: Examples) -> None:
        super().__init__(Matching(velocity, preset.training.local), preset.training)
        self._preset, self._data = preset, {True: training, False: validation}
        self.training_examples, self.validation_examples = len(training), len(validation)

    def draw(self, examples: Tensor, generator: Generator, *, training: bool) -> Draw:
        """A scene with both ends of the flow, and times; validation has beads and noise of its own."""
        data, preset = self._data[training], self._preset
        molecule = data.molecule[examples]
        ca, centres = data.ca[examples].double(), data.centres[examples].double()
        sight = [self._sight(data, int(number), generator) for number in molecule]
        operator, others = (torch.stack(column) for column in zip(*sight, strict=True))
        beads = Beads.of(data.covariance[molecule], operator, others, preset.prior.offset_nm)
        # A bead of C-alphas alone has no part in other atoms.
        alone = (others.sum((-1, -2)) == 0)[:, None, None]
        positions = operator @ torch.where(alone, ca, centres)
        chain_noise = torch.randn(ca.shape, generator=generator, dtype=torch.float64)
        bead_noise = torch.randn(positions.shape, generator=generator, dtype=torch.float64)
        real = (data.chain[molecule] >= 0)[..., None]
        scene = {
            "types": data.types[molecule],
            "chain": data.chain[molecule],
            "operator": operator.float(),
            "share": beads.share.float(),
            "spread": beads.given.spread.float(),
            "beads": positions.float(),
            "mean": (beads.given.mean(positions) * real).float(),
        }
        start = (beads.given.draw(positions, chain_noise, bead_noise) * real).float()
        time = torch.rand(len(examples), generator=generator)
        return scene | {"start": start, "end": (ca * real).float(), "time": time}

    def losses(self, network: nn.Module, draw: Draw, step: int) -> dict[str, Tensor]:
        """``"loss"`` and its two parts, in units of the network."""
        terms: dict[str, Tensor] = network(draw)
        return terms

    def description(self) -> dict[str, Any]:
        """Preset and data."""
        frames = self._data[True].ca.numpy().tobytes()
        return {
            "preset": self._preset.model_dump(mode="json", exclude_none=True),
            "training_frames": hashlib.sha256(frames).hexdigest(),
        }

    def _sight(self, data: Examples, molecule: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Random beads: weights of residues, and of their atoms other than CA, both (residues, residues)."""
        settings = self._preset.beads
        chain, atoms = data.chain[molecule], data.atoms[molecule]
        residues = int((chain >= 0).sum())
        bead = draw_partition(residues, settings, generator)
        alone = float(torch.rand((), generator=generator)) < settings.c_alphas
        # As many beads as residues, most of them empty, so that frames can be stacked.
        member = torch.zeros(len(chain), len(chain), dtype=torch.float64)
        member[bead, torch.arange(residues)] = 1.0
        weight = member * (member.sum(0) if alone else atoms)
        total = weight.sum(-1, keepdim=True).clamp_min(1.0)
        others = torch.zeros_like(weight) if alone else member * (atoms - 1).clamp_min(0)
        return weight / total, others / total
