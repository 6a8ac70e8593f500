"""The force field of a preset on a molecule."""

from __future__ import annotations

import tempfile
from pathlib import Path

import mdtraj
import numpy as np
import torch
from numpy.typing import NDArray

from backmapbench.force_field import TorchForceField, scoring_system
from backmapbench.reference_models.temporal_cvae.losses import KJ_MOL_K
from backmapbench.reference_models.temporal_cvae.settings import EnergySettings
from backmapbench.submissions.protocol import System

FRAMES = 5000  # behind the measured spread of energies


def force_field(system: System, frame: NDArray[np.floating], files: list[str]) -> TorchForceField:
    """Energies of the molecule in vacuum without constraints. ``frame``: any coordinates (atoms, 3), nm.

    Raises CardError when the force field does not fit the molecule.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "molecule.pdb"
        mdtraj.Trajectory(frame[None], system.topology).save_pdb(str(path))
        return TorchForceField.from_system(scoring_system(str(path), tuple(files)))


def energy_unit(
    field: TorchForceField, atoms: NDArray[np.floating], temperature: float, settings: EnergySettings
) -> float:
    """What differences of energy are counted in, kJ/mol; a spread not given is that of ``atoms`` (frames, N, 3)."""
    if settings.unit == "kj_mol":
        return 1.0
    if settings.deviation_kt is not None:
        return settings.deviation_kt * KJ_MOL_K * (settings.temperature_K or temperature)
    some = np.ascontiguousarray(atoms[:: max(1, len(atoms) // FRAMES)], dtype=np.float64)
    with torch.no_grad():
        return float(field(torch.from_numpy(some)).std())
