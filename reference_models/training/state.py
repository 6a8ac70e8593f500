"""The state of a run between two steps, to and from a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from backmapbench.reference_models.training import checkpoint
from backmapbench.reference_models.training.errors import TrainingError
from backmapbench.reference_models.training.guard import Guard

LAST, BEST = "last.toml", "best.toml"
NETWORK, OPTIMISER = "network.", "optimiser."


@dataclass
class State:
    """Where a run stands.

    Attributes:
        step: steps done.
        seconds: time they took, over all sittings.
        best: lowest validation loss so far; infinity before the first.
        best_step: the step it was reached at; 0 before the first.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = float("inf")
    best_step: int = 0


def save_last(
    folder: Path,
    state: State,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    guard: Guard,
    description: dict[str, Any],
) -> None:
    """Write everything that the next step depends on."""
    tensors = {NETWORK + name: value for name, value in network.state_dict().items()}
    for number, values in optimiser.state_dict()["state"].items():
        tensors |= {f"{OPTIMISER}{number}.{name}": value for name, value in values.items() if value is not None}
    content = {"kind": "training", "run": vars(state), "guard": guard.state(), "description": description}
    checkpoint.write(folder / LAST, tensors, content)


def load_last(
    folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer, guard: Guard, description: dict[str, Any]
) -> State:
    """Take up the run in ``folder``, or begin one where there is none.

    Raises TrainingError when the run there is of another description, naming the first entry that differs.
    """
    path = folder / LAST
    if not path.is_file():
        return State()
    stored = checkpoint.read(path)
    different = first_difference(stored.content["description"], description)
    if different:
        raise TrainingError(f"{folder}: holds a run of other settings ({different}); give another folder or remove it")
    network.load_state_dict(_part(stored.tensors, NETWORK))
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(stored.tensors, OPTIMISER).items():
        number, _, slot = name.partition(".")
        slots.setdefault(int(number), {})[slot] = value
    optimiser.load_state_dict({"state": slots, "param_groups": optimiser.state_dict()["param_groups"]})
    guard.load(stored.content["guard"])
    return State(**stored.content["run"])


def save_best(folder: Path, state: State, network: nn.Module, description: dict[str, Any]) -> None:
    """Write the network alone."""
    tensors = {NETWORK + name: value for name, value in network.state_dict().items()}
    checkpoint.write(folder / BEST, tensors, {"kind": "best", "run": vars(state), "description": description})


def load_network(path: Path, network: nn.Module) -> None:
    """Put the weights of a checkpoint (``last.toml`` or ``best.toml``) into ``network``."""
    network.load_state_dict(_part(checkpoint.read(path).tensors, NETWORK))


def first_difference(stored: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> str:
    """The first entry in which two nested tables differ, in words; empty when they agree."""
    for key in sorted(stored.keys() | wanted.keys()):
        old, new = stored.get(key), wanted.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            inner = first_difference(old, new, f"{prefix}{key}.")
            if inner:
                return inner
        elif old != new:
            return f"{prefix}{key} was {old}, now {new}"
    return ""


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
