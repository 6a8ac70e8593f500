"""What the transfer protocols share: what is expected of a file, whether a partial file may be continued, watching."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from backmapbench.datasets.download.partial import Origin, Partial
from backmapbench.datasets.download.policy import Policy, RefusedError, SpoiledError, TransientError

CHUNK = 1 << 16
Progress = Callable[[str, int, int | None], None]
"""Called with the file's path, bytes so far, and bytes in all where known."""


@dataclass(frozen=True)
class Expected:
    """What is known of a file before it is asked for."""

    path: str
    bytes: int | None
    hashed: bool

    def check_total(self, total: int | None) -> None:
        """Raises RefusedError when the server announces another size than the card states."""
        if self.bytes is not None and total is not None and total != self.bytes:
            raise RefusedError(f"offers {total} bytes, the file has {self.bytes}")

    def check_end(self, size: int, total: int | None, ended: bool) -> None:
        """Whether ``size`` bytes are all; ``ended``: the protocol said so itself.

        Raises TransientError for a cut, SpoiledError for too many bytes, RefusedError where nothing could ever tell.
        """
        wanted = self.bytes if self.bytes is not None else total
        if wanted is None and not ended and not self.hashed:
            raise RefusedError("does not say how long the file is, and no size or hash is known: no end could be told")
        if wanted is not None and size > wanted:
            raise SpoiledError(f"sent {size} bytes, the file has {wanted}")
        if wanted is not None and size < wanted:
            raise TransientError(f"cut off after {size} of {wanted} bytes")


@dataclass
class Watch:
    """Reports progress, and ends a transfer that is cancelled or far too slow."""

    path: str
    policy: Policy
    progress: Progress | None = None
    clock: Callable[[], float] = time.monotonic
    _since: float = field(default=0.0, init=False)
    _moved: int = field(default=0, init=False)

    def start(self) -> None:
        """Begin to measure a new attempt."""
        self._since, self._moved = self.clock(), 0

    def write(self, handle: IO[bytes], chunk: bytes, total: int | None) -> None:
        """Write a chunk. Raises TransientError for a transfer below the least speed, RefusedError for a stop."""
        handle.write(chunk)
        self._moved += len(chunk)
        if self.policy.stop.is_set():
            raise RefusedError("stopped")
        elapsed = self.clock() - self._since
        if elapsed > self.policy.slow_s:
            if self._moved < elapsed * self.policy.slow_bytes_per_s:
                raise TransientError(f"only {self._moved} bytes in {elapsed:.0f} s")
            self.start()
        if self.progress is not None:
            self.progress(self.path, handle.tell(), total)


def resumable(partial: Partial, url: str, expected: Expected) -> bool:
    """Whether the bytes so far may be continued from ``url``.

    Without a hash only if they came from the same address and its server can tell whether the file has changed since.
    """
    origin = partial.origin
    if origin is None or partial.size == 0:
        return False
    return expected.hashed or (origin.url == url and origin.validator is not None)


def continue_from(partial: Partial, url: str, validator: str | None, total: int | None, expected: Expected) -> int:
    """Offset at which to append bytes of this version of ``url``: the size so far, or 0 with the old bytes dropped."""
    origin = partial.origin
    same = origin is not None and (origin.url, origin.validator, origin.total) == (url, validator, total)
    agrees = origin is not None and (origin.total is None or total is None or origin.total == total)
    if resumable(partial, url, expected) and (same or (expected.hashed and agrees)):
        return partial.size
    partial.begin(Origin(url, validator, total))
    return 0
