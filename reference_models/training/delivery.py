"""What a training leaves behind beside its checkpoints: how it went, and a door to the benchmark."""

from __future__ import annotations

import platform
import resource
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backmapbench import provenance
from backmapbench.files import atomic_write

if TYPE_CHECKING:
    from backmapbench.reference_models.training.loop import TrainingResult
    from backmapbench.reference_models.training.presets import TrainingRequest

FILE = "weights.toml"
KILOBYTE = 1 if sys.platform == "darwin" else 1024  # bytes in a unit of ru_maxrss

HEAD = '''"""The model trained in this folder, for `backmapbench run -m {folder}/model.py:Trained`{others}."""

from pathlib import Path

from {module} import {imported}

WEIGHTS = {digests}  # hashes of the weights' tensors: records of other weights do not fit this file
'''

CLASS = """

class {name}({kind}):
    def __init__(self) -> None:
        super().__init__(weights=Path(__file__).parent{file})
"""


def course(preset: str, request: TrainingRequest, result: TrainingResult) -> dict[str, Any]:
    """How a training went, as TOML values: recipe, seed, steps, losses, wall time, memory and hardware.

    ``peak_memory_mb`` (10^6 bytes) is the largest resident memory of this process so far.
    """
    import torch

    return {
        "preset": preset,
        "changes": list(request.changes),
        "seed": request.seed,
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "best_validation_loss": result.best,
        "best_step": result.best_step,
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE / 1e6, 1),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "processor": provenance.processor(),
        "accelerator": provenance.accelerators({}),
        "torch": torch.__version__,
    }


def write_door(folder: Path, module: str, kinds: Mapping[str, str], weights: Sequence[Path] | None = None) -> None:
    """Write ``folder/model.py``, by which the trained model enters like a stranger's.

    Args:
        folder: of the training.
        module: where the model's classes are.
        kinds: the class behind each class of the file; the first is called ``Trained``.
        weights: checkpoints that the classes find when they are given the folder; None: they are given ``FILE`` in it.
    """
    found = [folder / FILE] if weights is None else weights
    digests = [tomllib.loads(path.read_text(encoding="utf-8"))["tensors"]["sha256"] for path in found]
    others = "".join(f" (or {name})" for name in kinds if name != "Trained")
    imported = ", ".join(sorted(kinds.values()))
    file = f' / "{FILE}"' if weights is None else ""
    text = HEAD.format(folder=folder.name, others=others, module=module, imported=imported, digests=digests)
    text += "".join(CLASS.format(name=name, kind=kind, file=file) for name, kind in kinds.items())
    with atomic_write(folder / "model.py", "w") as handle:
        handle.write(text)
