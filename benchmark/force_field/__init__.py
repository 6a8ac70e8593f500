"""Batched force-field energies in torch, built from any OpenMM System."""

from backmapbench.force_field.interactions import ForceFieldError
from backmapbench.force_field.safe_geometry import COORDINATE_LIMIT, MINIMUM_DISTANCE
from backmapbench.force_field.scoring import energies_by_term
from backmapbench.force_field.systems import merge_caps, scoring_system
from backmapbench.force_field.terms import TERMS
from backmapbench.force_field.torch_force_field import TorchForceField

__all__ = [
    "COORDINATE_LIMIT",
    "MINIMUM_DISTANCE",
    "TERMS",
    "ForceFieldError",
    "TorchForceField",
    "energies_by_term",
    "merge_caps",
    "scoring_system",
]
