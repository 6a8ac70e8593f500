"""Coarse-graining operators: linear maps from atoms to beads, given by name, learned, or read from files."""

from backmapbench.coarse_graining.grouping import contiguous, kmeans
from backmapbench.coarse_graining.learning import LearnedBeads, learn
from backmapbench.coarse_graining.mapping import CoarseMapping
from backmapbench.coarse_graining.mapping_file import MappingFile, mapping_from_file, read_mapping, write_mapping
from backmapbench.coarse_graining.particles import ca
from backmapbench.coarse_graining.selection import (
    atom_index,
    atom_indices,
    atom_slice,
    centre_of_geometry,
    centre_of_mass,
)
from backmapbench.coarse_graining.settings import ANNEALED, LEGACY, AutoGrainSettings, Schedule

__all__ = [
    "ANNEALED",
    "LEGACY",
    "AutoGrainSettings",
    "CoarseMapping",
    "LearnedBeads",
    "MappingFile",
    "Schedule",
    "atom_index",
    "atom_indices",
    "atom_slice",
    "ca",
    "centre_of_geometry",
    "centre_of_mass",
    "contiguous",
    "kmeans",
    "learn",
    "mapping_from_file",
    "read_mapping",
    "write_mapping",
]
