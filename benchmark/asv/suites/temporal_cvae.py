"""The voxel cVAE: frames drawn for 100 trajectories at once or one by one, and a step's forward and backward pass."""

from importlib.resources import files

import mdtraj
import numpy as np
import torch

from backmapbench.coarse_graining import atom_slice
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.reference_models.temporal_cvae.fitting import PACKAGE
from backmapbench.reference_models.temporal_cvae.latent import Mixture
from backmapbench.reference_models.temporal_cvae.network import Sizes, VoxelCvae
from backmapbench.reference_models.temporal_cvae.rollout import Sampler
from backmapbench.reference_models.temporal_cvae.scene import Scene
from backmapbench.reference_models.temporal_cvae.settings import Preset
from backmapbench.reference_models.training import read_preset
from backmapbench.submissions.protocol import System

BEADS = ["ACE1:C", "ALA2:N", "ALA2:CA", "ALA2:CB", "ALA2:C", "NME3:N"]
TRAJECTORIES, FRAMES, BATCH = 100, 3, 32


def dipeptide():
    start = mdtraj.load(str(files("backmapbench.datasets") / "recipes" / "ace-ala-nme.pdb"))
    return System(start.topology, atom_slice(start.topology, BEADS), 300.0), start.xyz


class Inference:
    """100 trajectories of 3 frames, in batches of ``rows`` trajectories."""

    params = [["adp-small", "adp-paper"], [1, 100]]
    param_names = ["preset", "rows"]
    timeout = 300

    def setup(self, name, rows):
        torch.manual_seed(0)
        preset = read_preset(PACKAGE, name, Preset)
        system, atoms = dipeptide()
        beads = np.repeat(system.mapping.positions(atoms), TRAJECTORIES * FRAMES, axis=0).astype(np.float32)
        latent = preset.network.latent
        mixture = Mixture(np.ones(1), np.zeros((1, latent), np.float32), np.eye(latent, dtype=np.float32)[None])
        network = VoxelCvae(Sizes(22, 6, preset.grid.cells), preset.network).eval()
        self.sampler = Sampler(network, Scene(preset, system, beads[0]), mixture, rows)
        self.beads = Trajectories(beads, (FRAMES,) * TRAJECTORIES, 1.0)
        self.first = np.repeat(atoms, TRAJECTORIES, axis=0)

    def time_trajectories(self, name, rows):
        self.sampler.trajectories(self.beads, self.first, 1, 0)


class Step:
    """Forward and backward pass of a batch of 32 pairs."""

    params = ["adp-small", "adp-paper"]
    param_names = ["preset"]
    timeout = 300

    def setup(self, name):
        torch.manual_seed(0)
        preset = read_preset(PACKAGE, name, Preset)
        d = preset.grid.cells
        self.network = VoxelCvae(Sizes(22, 6, d), preset.network)
        self.mixed = preset.training.precision == "bf16-mixed"
        self.inputs = (
            torch.rand(BATCH, 28, d, d, d),
            torch.rand(BATCH, 22, d, d, d),
            torch.randn(BATCH, preset.network.latent),
        )

    def time_step(self, name):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.mixed):
            voxels, mean, deviation = self.network(*self.inputs)
        (voxels.square().mean() + mean.square().mean() + deviation.mean()).backward()
