"""Coarse-graining operators: linear maps from atoms to beads."""

from backmapbench.coarse_graining.mapping import CoarseMapping
from backmapbench.coarse_graining.selection import atom_index, atom_slice, centre_of_geometry, centre_of_mass

__all__ = ["CoarseMapping", "atom_index", "atom_slice", "centre_of_geometry", "centre_of_mass"]
