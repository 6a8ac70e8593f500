"""Recipes: one TOML file says all that a simulation's frames depend on."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from backmapbench.errors import CardError, UnknownNameError
from backmapbench.files import sha256

RECIPES = Path(str(files("backmapbench.datasets") / "recipes"))
PROTEIN = "protein"
"""The recipe that a user's own PDB file is simulated by."""


@dataclass(frozen=True)
class Recipe:
    """One simulation recipe as read from its TOML file."""

    path: Path
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the recipe and of the dataset it makes."""
        return str(self.settings["name"])

    @property
    def trajectories(self) -> int:
        """Number of trajectories."""
        return int(self.settings["trajectories"])

    def frames(self, index: int = 0) -> int:
        """Frames of trajectory ``index``; the recipe gives one number for all, or a list."""
        given = self.settings["frames"]
        return int(given[index]) if isinstance(given, list) else int(given)

    def parts(self, index: int = 0) -> int:
        """Pieces, with a checkpoint after each, that trajectory ``index`` is written in."""
        return self.frames(index) // int(self.settings["checkpoint_frames"])

    @property
    def total_frames(self) -> int:
        """Frames of all trajectories together."""
        return sum(self.frames(index) for index in range(self.trajectories))

    @property
    def temperature(self) -> float:
        """Temperature of the stored frames, K."""
        return float(self.settings["integrator"]["temperature_K"])

    @property
    def starts(self) -> int:
        """Kinds of start that trajectories take in turn: trajectory i takes kind i modulo this."""
        table = self.settings["starts"]
        return len(table["basins"] if table.get("kind", "restrained") == "restrained" else table["classes"])

    @property
    def simulated(self) -> dict[str, Any]:
        """The settings that the frames depend on: all but how they are cut and packed."""
        return {key: value for key, value in self.settings.items() if key != "embedded"}


def recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load_recipe(name: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read ``recipes/NAME.toml``; ``overrides`` replaces top-level settings (a shorter run for a test).

    Raises UnknownNameError for a name without a recipe, CardError for settings that do not fit together.
    """
    if name not in recipe_names():
        raise UnknownNameError("recipe", name, recipe_names())
    path = RECIPES / f"{name}.toml"
    settings = _read(path)
    variants = settings.pop("variants", {})
    changes = dict(overrides or {})
    variant = changes.pop("variant", None)
    if variant is not None:
        if variant not in variants:
            raise UnknownNameError(f"variant of {name}", str(variant), variants)
        settings = _merged(settings, variants[variant]) | {"name": f"{settings['name']}-{variant}"}
    recipe = Recipe(path, settings | changes)
    _check(recipe)
    return recipe


def protein_recipe(pdb: Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """The recipe for a user's own PDB file, named after it; its hash is among the settings.

    Raises CardError when the file does not exist.
    """
    if not pdb.is_file():
        raise CardError(f"{pdb}: no such file; give a PDB file")
    recipe = load_recipe(PROTEIN, overrides)
    structure = {"kind": "pdb", "path": str(pdb.resolve()), "sha256": sha256(pdb)}
    return Recipe(recipe.path, recipe.settings | {"name": pdb.stem, "title": pdb.name, "structure": structure})


def _read(path: Path) -> dict[str, Any]:
    """Settings of a file, over those of the recipe it is based on. A base lends all but what it is packed into."""
    settings = tomllib.loads(path.read_text(encoding="utf-8"))
    base = settings.pop("base", None)
    if base is None:
        return settings
    inherited = _read(RECIPES / f"{base}.toml")
    inherited.pop("embedded", None)
    return _merged(inherited, settings)


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """``second`` over ``first``, tables one level deep."""
    merged = dict(first)
    for key, value in second.items():
        merged[key] = first[key] | value if isinstance(value, dict) and isinstance(first.get(key), dict) else value
    return merged


def _check(recipe: Recipe) -> None:
    settings, path = recipe.settings, recipe.path
    given = settings["frames"]
    if isinstance(given, list) and len(given) != recipe.trajectories:
        raise CardError(f"{path}: frames lists {len(given)} lengths for {recipe.trajectories} trajectories; give each")
    for frames in given if isinstance(given, list) else [given]:
        if frames % int(settings["checkpoint_frames"]):
            raise CardError(
                f"{path}: frames = {frames} is not a multiple of checkpoint_frames = "
                f"{settings['checkpoint_frames']}; change one of them"
            )
    if "copies" in settings and isinstance(given, list):
        raise CardError(f"{path}: copies in one System need trajectories of one length; give one number for frames")
    steps = settings["frame_ps"] / settings["integrator"]["step_ps"]
    if abs(steps - round(steps)) > 1e-9:
        raise CardError(f"{path}: frame_ps is not a whole number of integrator.step_ps; change one of them")
