"""Task cards: which dataset, which beads, which splits, which protocol, which metrics with which settings."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from backmapbench.datasets.catalogue import explain
from backmapbench.errors import CardError, UnknownNameError
from backmapbench.metrics.registry import METRICS

CARDS = Path(str(files("backmapbench") / "tasks"))
SETS = "metric_sets.toml"
Labels = list[str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Splits(_Strict):
    """Names of the dataset's splits by role; no role shares a split with another."""

    train: str = "train"
    validation: str = "validation"
    scored: str = "test"
    fresh: str | None = Field(
        default="fresh", description="independent MD like the scored split: the noise floor; none: no fresh-MD row"
    )

    @model_validator(mode="before")
    @classmethod
    def _no_fresh(cls, content: Any) -> Any:
        # TOML has no null: `fresh = ""` says that there is none.
        return content | {"fresh": None} if isinstance(content, dict) and content.get("fresh") == "" else content

    @model_validator(mode="after")
    def _distinct(self) -> Splits:
        names = [self.train, self.validation, self.scored, self.fresh]
        if len(set(names)) != len(names):
            raise ValueError("train, validation, scored and fresh must be different splits")
        return self


MAPPING_FIELDS = {
    "slice": {"atoms"},
    "centre_of_geometry": {"groups"},
    "centre_of_mass": {"groups"},
    "ca": set(),
    "contiguous": {"beads"},
    "autograin": {"beads", "seed"},
    "file": {"path"},
}
"""What each kind of mapping takes."""


class MappingEntry(_Strict):
    """Beads: named atoms or groups, all CA, runs of residues, AutoGrain's, or a mapping stored with its provenance."""

    kind: Literal["slice", "centre_of_geometry", "centre_of_mass", "ca", "contiguous", "autograin", "file"]
    atoms: Labels | None = None
    groups: dict[str, Labels] | None = None
    beads: int | None = Field(default=None, ge=1, description="number of runs of residues, or of beads to learn")
    seed: int | None = Field(default=None, ge=0, description="of AutoGrain, which learns on the CA of the train split")
    path: str | None = Field(default=None, description="mapping file, relative to the card's folder")
    whole_residues: bool = Field(
        default=True, description="beads learned on CA take all heavy atoms of their residues, not the CA alone"
    )

    @model_validator(mode="after")
    def _complete(self) -> MappingEntry:
        given = {name for name in ("atoms", "groups", "beads", "seed", "path") if getattr(self, name) is not None}
        if given != MAPPING_FIELDS[self.kind]:
            wanted = ", ".join(sorted(MAPPING_FIELDS[self.kind])) or "nothing else"
            raise ValueError(f"kind '{self.kind}' takes {wanted}")
        return self


class OwnData(_Strict):
    """A user's own files instead of a catalogued dataset; paths relative to the card's folder, nm and ps.

    A file may end in ``[first:last]``, frames counted from 0, to take a stretch of it.
    """

    topology: str
    temperature_K: float = Field(gt=0)
    frame_ps: float | None = Field(default=None, gt=0, description="absent: frames without a time")
    atoms: Literal["all", "heavy"] = "all"
    force_field: list[str] = Field(default=[], description="OpenMM files that score energies; none: no energies")
    splits: dict[str, list[str]] = Field(min_length=3, description="files of each split, one trajectory each")


class Uncertainty(_Strict):
    """Block bootstrap over trajectories."""

    replicates: int = Field(default=500, ge=20)
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    seed: int = 0


class Kinetics(_Strict):
    """States and lag of the Markov model, on torsions or on TICA components of all CA-CA distances."""

    features: Literal["torsions", "ca_distances"] = Field(
        default="torsions", description="cos and sin of `torsions`, or TICA components of CA-CA distances"
    )
    torsions: list[Labels] = []
    tica_dimensions: int | None = Field(default=None, ge=1, description="components kept; 2 where not given")
    tica_lag_frames: int | None = Field(default=None, ge=1, description="lag of TICA; lag_frames where not given")
    states: int = Field(ge=2)
    lag_frames: int = Field(ge=1)
    seed: int = 0
    bayesian_samples: int = Field(default=100, ge=10)

    @model_validator(mode="after")
    def _fitting(self) -> Kinetics:
        on_torsions = self.features == "torsions"
        if on_torsions != bool(self.torsions):
            raise ValueError("features 'torsions' take `torsions`, and 'ca_distances' take none")
        if on_torsions and (self.tica_dimensions is not None or self.tica_lag_frames is not None):
            raise ValueError("tica_dimensions and tica_lag_frames belong to features 'ca_distances'")
        return self


class Hidden(_Strict):
    """Torsions that the beads do not fix: listed, or found from topology and mapping (``automatic``)."""

    torsions: list[Labels] = []
    automatic: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Hidden:
        if self.automatic == bool(self.torsions):
            raise ValueError("give `torsions`, or `automatic = true` to have them found")
        return self


class Sampling(_Strict):
    """Where metrics that need several samples of a frame are evaluated."""

    samples: int = Field(default=8, ge=8)
    frames: int = Field(default=200, ge=2, description="scored frames, spread evenly, unless conditional MD names them")
    context: int = Field(default=10, ge=0, description="frames in time given before and after each")


class TaskCard(_Strict):
    """One task. ``version`` grows whenever a change of the card changes a score."""

    schema_version: Literal[1]
    name: str
    version: int = Field(ge=1)
    title: str
    dataset: str | None = None
    data: OwnData | None = None
    protocol: Literal["temporal", "independent"]
    splits: Splits = Splits()
    mapping: MappingEntry
    uncertainty: Uncertainty = Uncertainty()
    sampling: Sampling = Sampling()
    kinetics: Kinetics | None = None
    hidden: Hidden | None = None
    metric_set: str | None = Field(default=None, description="named set of metrics that `metrics` adds to")
    metrics: dict[str, dict[str, Any]] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _expanded(cls, content: Any) -> Any:
        """Put the metrics of the named set in place; a table of the card's own replaces the set's.

        Own data without a split "fresh" have no fresh-MD row, and need not say so.
        """
        if not isinstance(content, dict):
            return content
        own = content.get("data")
        if isinstance(own, dict) and "fresh" not in own.get("splits", {}) and "splits" not in content:
            content = content | {"splits": {"fresh": ""}}
        if content.get("metric_set") is None:
            return content
        sets = metric_sets()
        name = content["metric_set"]
        if name not in sets:
            raise ValueError(str(UnknownNameError("metric set", str(name), sets)))
        return content | {"metrics": sets[name] | content.get("metrics", {})}

    @model_validator(mode="after")
    def _one_source(self) -> TaskCard:
        if (self.dataset is None) == (self.data is None):
            raise ValueError("give either `dataset`, a name in the catalogue, or [data], files of your own")
        return self

    @model_validator(mode="after")
    def _known_metrics(self) -> TaskCard:
        for name in self.metrics:
            if name not in METRICS:
                raise ValueError(str(UnknownNameError("metric", name, METRICS)))
        return self


def metric_sets() -> dict[str, dict[str, dict[str, Any]]]:
    """Named sets of metrics with their settings, from ``metric_sets.toml`` beside the cards."""
    content: dict[str, dict[str, dict[str, Any]]] = tomllib.loads((CARDS / SETS).read_text(encoding="utf-8"))
    return content


def task_names() -> list[str]:
    """Names of the task cards in the package."""
    return sorted(path.stem for path in CARDS.glob("*.toml") if path.name != SETS)


def read_card(path: Path) -> TaskCard:
    """Read and validate a task card. Raises CardError naming file, field and problem."""
    try:
        return TaskCard.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CardError(f"{path}: cannot be read ({error.strerror}); give the path of a task card") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: not valid TOML ({error}); correct the line") from error
    except ValidationError as error:
        raise CardError(f"{path}: {explain(error)}") from error


def find_card(name: str) -> Path:
    """Path of the card called ``name``, or of the card file that ``name`` points at.

    Raises UnknownNameError with close names when there is neither.
    """
    if name.endswith(".toml"):
        return Path(name)
    if name not in task_names():
        raise UnknownNameError("task", name, task_names())
    return CARDS / f"{name}.toml"
