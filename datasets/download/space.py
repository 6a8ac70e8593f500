"""Room on the disk, checked before a download starts."""

from __future__ import annotations

import shutil
from pathlib import Path

from backmapbench.errors import DownloadError

MARGIN = 1.05


def require_space(folder: Path, needed: int) -> None:
    """Raises DownloadError when the file system of ``folder`` (which need not exist) lacks ``needed`` bytes."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed * MARGIN:
        raise DownloadError(
            f"{folder}: {needed * MARGIN / 1e9:.2f} GB are needed, {free / 1e9:.2f} GB are free; free space or point "
            "BACKMAPBENCH_CACHE at a larger disk"
        )
