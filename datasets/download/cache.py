"""Where downloaded data live: the platform's cache folder, or the folder that an environment variable names."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

VARIABLE = "BACKMAPBENCH_CACHE"


def cache_folder() -> Path:
    """Root of the cache: ``$BACKMAPBENCH_CACHE``, else the platform's place for caches. It need not exist yet."""
    given = os.environ.get(VARIABLE, "").strip()
    return Path(given).expanduser().absolute() if given else user_cache_path("backmapbench", appauthor=False)


def dataset_folder(name: str, version: int) -> Path:
    """Folder of one version of a dataset; ``raw/SOURCE`` and ``processed`` lie in it."""
    return cache_folder() / "datasets" / f"{name}-v{version}"
