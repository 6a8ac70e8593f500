"""Checkpoints: tensors as safetensors beside a TOML file of a known version; no pickles.

The TOML file is written last and names its tensor file with its hash: a run killed between the two leaves the older
pair as it was.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from safetensors.torch import load, save
from torch import Tensor

from backmapbench.files import atomic_write
from backmapbench.reference_models.training.errors import TrainingError

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Stored:
    """A checkpoint as read.

    Attributes:
        tensors: by name, on the CPU.
        content: the TOML file's content at the present version, without what only this module needs.
    """

    tensors: dict[str, Tensor]
    content: dict[str, Any]


def write(path: Path, tensors: dict[str, Tensor], content: dict[str, Any]) -> None:
    """Write ``path`` (a .toml file) and its tensors, and remove tensor files of ``path`` that it no longer names."""
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    name = f"{path.stem}-{digest[:12]}.safetensors"
    with atomic_write(path.with_name(name)) as handle:
        handle.write(data)
    header = {"schema_version": SCHEMA_VERSION, "tensors": {"file": name, "sha256": digest}}
    with atomic_write(path) as handle:
        tomli_w.dump(header | {"content": content}, handle)
    for old in path.parent.glob(f"{path.stem}-" + "?" * 12 + ".safetensors"):
        if old.name != name:
            old.unlink(missing_ok=True)


def read(path: Path) -> Stored:
    """The checkpoint at ``path``, brought up to the present version.

    Raises TrainingError when it is missing, damaged or newer than this program.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TrainingError(f"{path}: cannot be read ({error}); give a checkpoint's .toml file") from error
    version = found.get("schema_version")
    if not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        raise TrainingError(
            f"{path}: schema_version {version}; this program reads 1 to {SCHEMA_VERSION}: update it, or train again"
        )
    while found["schema_version"] < SCHEMA_VERSION:
        found = UPGRADES[found["schema_version"]](found)
    try:
        source, digest, content = path.with_name(found["tensors"]["file"]), found["tensors"]["sha256"], found["content"]
        data = source.read_bytes()
    except KeyError as error:
        raise TrainingError(f"{path}: has no {error}; it is no checkpoint, or was cut off") from error
    except OSError as error:
        raise TrainingError(f"{path}: its tensor file cannot be read ({error}); copy both files") from error
    if digest and hashlib.sha256(data).hexdigest() != digest:
        raise TrainingError(f"{source}: is not the file that {path.name} was written with; copy both files again")
    try:
        tensors = load(data)
    except Exception as error:  # safetensors raises its own type for every damage
        raise TrainingError(f"{source}: is damaged ({error}); copy it again") from error
    return Stored(tensors, content)


def _hash_added(found: dict[str, Any]) -> dict[str, Any]:
    """Version 1 named the tensor file alone, in ``weights``, and kept the content at the top level."""
    content = {key: value for key, value in found.items() if key not in ("schema_version", "weights")}
    return {"schema_version": 2, "tensors": {"file": found["weights"], "sha256": ""}, "content": content}


UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _hash_added}
"""From each older version to the next."""
