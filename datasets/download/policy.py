"""How patient a download is: attempts, waits between them, time limits; and the ways an attempt can end badly."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


class TransientError(Exception):
    """An attempt that may succeed when repeated; ``retry_after`` s is what the server asks for, if it does."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class RefusedError(Exception):
    """This address will not deliver the file, however often it is asked."""


class SpoiledError(Exception):
    """The bytes so far cannot be part of the file: they must be dropped before the next attempt."""


@dataclass(frozen=True)
class Policy:
    """Limits of one download. Attempts are counted in a row without progress, for each address by itself."""

    attempts: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    longest_retry_after_s: float = 300.0
    connect_s: float = 20.0
    read_s: float = 60.0
    slow_s: float = 60.0
    slow_bytes_per_s: float = 100.0
    stop: threading.Event = field(default_factory=threading.Event)
    pause: Callable[[float], object] | None = None

    def wait(self, failures: int, retry_after: float | None) -> None:
        """Wait before the next attempt: what the server asks for, else doubling with each failure, with some chance.

        Raises RefusedError when the server asks for more patience than ``longest_retry_after_s``.
        """
        if retry_after is not None and retry_after > self.longest_retry_after_s:
            raise RefusedError(f"asks to come back in {retry_after:.0f} s")
        doubled = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (failures - 1))
        # Chance spreads out clients that were cut off at the same moment.
        seconds = max(doubled * random.uniform(0.5, 1.0), retry_after or 0.0)  # noqa: S311
        (self.pause or self.stop.wait)(seconds)


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a ``Retry-After`` header (a number or a date, RFC 9110 10.2.3) asks for; None without one."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
