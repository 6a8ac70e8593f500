"""A downloader for pooch that goes on where it stopped: after a cut, a stall, an error of the server, or a kill."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock

from backmapbench.datasets.download.ftp import ftp_transfer
from backmapbench.datasets.download.http import http_transfer
from backmapbench.datasets.download.partial import Partial, local_errors
from backmapbench.datasets.download.policy import Policy, RefusedError, SpoiledError, TransientError
from backmapbench.datasets.download.transfer import Expected, Progress, Watch

logger = logging.getLogger(__name__)
POOCH_TEMPORARY = re.compile(r"tmp[a-z0-9_]{8}")
GAIN = 1 << 20  # bytes (or 1 % of the file) that count as progress


class ResumingDownloader:
    """``downloader`` argument of ``pooch.Pooch.fetch`` for one file.

    Bytes gather in ``partial``; when they are complete, the output that pooch asked for becomes a hard link to them,
    so that a kill before pooch has checked and moved it loses nothing.
    """

    def __init__(self, partial: Partial, expected: Expected, policy: Policy, progress: Progress | None = None) -> None:
        self.partial = partial
        self.expected = expected
        self.policy = policy
        self.progress = progress

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        """Fetch ``url`` to ``output_file``. Raises RefusedError when this address does not deliver, DownloadError."""
        self.complete(url)
        self.partial.to_disk()
        output = Path(output_file)
        with local_errors(output), _changing_outputs(self.partial):
            output.unlink(missing_ok=True)
            try:
                os.link(self.partial.path, output)
            except OSError:  # no hard links on this file system
                shutil.move(self.partial.path, output)

    def complete(self, url: str) -> None:
        """Attempt until the partial file is whole; the count of failures begins anew with every real progress."""
        transfer = ftp_transfer if urlsplit(url).scheme == "ftp" else http_transfer
        watch = Watch(self.expected.path, self.policy, self.progress)
        failures, best = 0, self.partial.size
        while True:
            if self.policy.stop.is_set():
                raise RefusedError("stopped")
            asked = None
            try:
                transfer(url, self.partial, self.expected, self.policy, watch)
            except SpoiledError as error:
                self.partial.forget()
                reason: Exception = error
            except TransientError as error:
                reason, asked = error, error.retry_after
            else:
                return
            # A server without ranges reaches the same point again and again: only a new high mark is progress.
            size, origin = self.partial.size, self.partial.origin
            total = self.expected.bytes or (origin.total if origin else None)
            if size - best >= min(GAIN, max(1, (total or 100 * GAIN) // 100)):
                failures, best = 0, size
            failures += 1
            logger.info("%s: attempt %d: %s", url, failures, reason)
            if failures >= self.policy.attempts:
                raise RefusedError(f"{reason}, {failures} times in a row") from reason
            self.policy.wait(failures, asked)


def sweep(folder: Path, partial: Partial) -> None:
    """Remove temporary files that a killed pooch left in ``folder``: empty ones and links to ``partial``."""
    left = [path for path in folder.glob("tmp*") if POOCH_TEMPORARY.fullmatch(path.name)] if folder.is_dir() else []
    if not left:
        return
    # Whoever is at another file loses nothing while its output is empty: its downloader makes it anew. It must not be
    # made between the look and the removal, though.
    with _changing_outputs(partial):
        for path in left:
            with contextlib.suppress(OSError):
                if path.stat().st_size == 0 or (partial.path.exists() and path.samefile(partial.path)):
                    path.unlink()


def _changing_outputs(partial: Partial) -> FileLock:
    """Held, for a moment, by who makes or removes a temporary file of pooch: one thread of one process at a time."""
    return FileLock(partial.path.parent / "outputs.lock")
