"""Where a record comes from: code, packages, hardware, memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

PACKAGES = ("backmapbench", "deeptime", "mdtraj", "numpy", "openmm", "scipy", "torch")
PACKAGE_FOLDER = Path(__file__).parent
SCORING_CODE = (
    "metrics",
    "coarse_graining",
    "force_field",
    "tasks/beads",
    "tasks/card.py",
    "tasks/hidden.py",
    "tasks/mappings.py",
    "tasks/metric_sets.toml",
    "tasks/task.py",
    "blocks.py",
    "bootstrap.py",
    "conditional.py",
    "controls.py",
    "correlation.py",
    "evaluation.py",
    "intervals.py",
    "runner.py",
    "sampling.py",
    "submissions",
    "superposition.py",
)
"""Files and folders of the package that turn a model and a task into scores; cards are in the key of their records."""
READING_CODE = (
    "catalogue.py",
    "codec.py",
    "decorrelation.py",
    "own.py",
    "processed.py",
    "readers",
    "schema.py",
    "simulation/held_files.py",
    "simulation/held_starts.py",
    "splits.py",
    "trajectories.py",
)
"""Files and folders of ``backmapbench.datasets`` that turn stored data into what a task holds."""


def versions() -> dict[str, str]:
    """Installed versions of the packages that scores may depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, str | int]:
    """Processor, usable cores and operating system."""
    system = f"{platform.system()} {platform.machine()}"
    return {"processor": processor(), "cores": len(os.sched_getaffinity(0)), "system": system}


def git_commit() -> str:
    """Commit of the checkout this package lies in (with ``+changes``), or "" for an installed wheel."""
    folder = PACKAGE_FOLDER
    if not (folder.parent / ".git").exists():
        return ""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def hash_files(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents of files, folders taken with all their source, data and weight files."""
    digest = hashlib.sha256()
    for path in paths:
        members = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and p.suffix != ".pyc")
        for member in members:
            digest.update(member.name.encode())
            digest.update(member.read_bytes())
    return digest.hexdigest()


def scoring_code() -> list[Path]:
    """Files and folders whose code decides scores: reading data, asking models, checking their output, scoring it.

    Named one by one: what these import besides, such as downloading or simulation, changes no score.
    """
    datasets = Path(str(files("backmapbench.datasets")))
    return [*(PACKAGE_FOLDER / name for name in SCORING_CODE), *(datasets / name for name in READING_CODE)]


def scoring_code_hash() -> str:
    """SHA-256 of the code that scores: a record made by other scoring code is not resumed from."""
    return hash_files(scoring_code())


def processor() -> str:
    """The processor's model name where the system tells it, else what kind it is."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def allocations() -> dict[int, int]:
    """How often torch has allocated memory on every CUDA device so far; empty where CUDA was never set up.

    torch is asked only where somebody has imported it already and has set CUDA up, so this never does either.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    devices = range(torch.cuda.device_count())
    return {device: torch.cuda.memory_stats(device).get("allocation.all.allocated", 0) for device in devices}


def accelerators(before: Mapping[int, int]) -> str:
    """Names of the CUDA devices on which torch has allocated memory since ``allocations`` were ``before``, or "cpu"."""
    used = sorted(device for device, count in allocations().items() if count > before.get(device, 0))
    return ", ".join(dict.fromkeys(sys.modules["torch"].cuda.get_device_name(device) for device in used)) or "cpu"


class PeakMemory:
    """Largest resident memory of this process since ``start``, MB.

    On Linux the kernel's high-water mark is reset first; elsewhere the mark of the whole process life is reported.
    """

    def __init__(self) -> None:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    def megabytes(self) -> float:
        """Peak so far, MB (10^6 bytes)."""
        try:
            lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
            kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        except (OSError, StopIteration):
            kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return kilobytes * 1024 / 1e6


def _git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return result.stdout.strip()
