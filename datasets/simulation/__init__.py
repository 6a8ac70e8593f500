"""Molecular dynamics from recipes: starts, systems, resumable runs, held beads."""

from backmapbench.datasets.simulation.recipe import RECIPES, Recipe, load_recipe, protein_recipe, recipe_names
from backmapbench.datasets.simulation.run import (
    load_trajectory,
    simulate,
    simulation_provenance,
    start_structure,
)

__all__ = [
    "RECIPES",
    "Recipe",
    "load_recipe",
    "load_trajectory",
    "protein_recipe",
    "recipe_names",
    "simulate",
    "simulation_provenance",
    "start_structure",
]
