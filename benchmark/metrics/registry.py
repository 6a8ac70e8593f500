"""Where each metric lives. Modules are imported only when a metric is used, so listing stays fast."""

from __future__ import annotations

import importlib

from backmapbench.errors import UnknownNameError
from backmapbench.metrics.base import Metric

METRICS: dict[str, str] = {
    "rmsd_angstrom": "rmsd:Rmsd",
    "ged": "ged:Ged",
    "clash_percent": "clash:Clash",
    "bond_length_w1_angstrom": "bond_length:BondLength",
    "chirality_percent": "chirality:Chirality",
    "cg_consistency_angstrom": "cg_consistency:CgConsistency",
    "clashscore": "clashscore:Clashscore",
    "angle_w1_degree": "angle:Angle",
    "torsion_jsd": "torsion_jsd:TorsionJsd",
    "cis_omega_percent": "cis_omega:CisOmega",
    "ring_planarity_angstrom": "ring_planarity:RingPlanarity",
    "lddt": "lddt:Lddt",
    "rg_w1_angstrom": "radius_of_gyration:RadiusOfGyration",
    "energy_score_angstrom": "energy_score:EnergyScore",
    "calibration": "calibration:Calibration",
    "diversity_angstrom": "diversity:Diversity",
    "energy_w1_kt": "energy:Energy",
    "energy_terms_w1_kt": "energy_terms:EnergyTerms",
    "fes_rmse_kt": "free_energy_surface:FreeEnergySurface",
    "timescale_log_error": "timescales:Timescales",
    "eigenvector_error": "eigenvectors:Eigenvectors",
    "velocity_w1": "velocity:Velocity",
    "frame_jump": "frame_jump:FrameJump",
    "hidden_torsion_jsd": "hidden_torsion:HiddenTorsion",
    "hidden_torsion_timescale_log_error": "hidden_torsion_timescale:HiddenTorsionTimescale",
}


def metric_class(name: str) -> type[Metric]:
    """The class of metric ``name``. Raises UnknownNameError with close names for one that does not exist."""
    if name not in METRICS:
        raise UnknownNameError("metric", name, METRICS)
    module, attribute = METRICS[name].split(":")
    found: type[Metric] = getattr(importlib.import_module(f"backmapbench.metrics.{module}"), attribute)
    return found
