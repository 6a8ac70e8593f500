"""Refusing steps that would spoil the network: values that are not finite, and spikes."""

from __future__ import annotations

import math
import statistics
from collections import deque
from typing import Any

from backmapbench.reference_models.training.errors import TrainingError
from backmapbench.reference_models.training.settings import GuardSettings

ROBUST = 1.4826  # median absolute deviation to standard deviation, for normal numbers


class Guard:
    """Judges every step by its loss and the norm of its gradient.

    A spike is a loss more than ``factor`` robust standard deviations above the median of the accepted ones in the
    window. What stays high for ``patience`` steps is a new level (a schedule that sets in), not a spike; what stays not
    finite ends the run.
    """

    def __init__(self, settings: GuardSettings) -> None:
        self.settings = settings
        self.refused = 0
        self._in_a_row = 0
        self._recent: deque[float] = deque(maxlen=settings.window)

    def accepts(self, step: int, loss: float, norm: float) -> bool:
        """Whether the step may change the network.

        Raises TrainingError when ``patience`` steps in a row were refused and loss or gradient is still not finite.
        """
        finite = math.isfinite(loss) and math.isfinite(norm)
        if finite and not self._spike(loss):
            self._take(loss)
            return True
        self._in_a_row += 1
        if self._in_a_row >= self.settings.patience:
            if not finite:
                raise TrainingError(
                    f"step {step}: loss {loss} and gradient norm {norm} after {self._in_a_row} refused steps in a row; "
                    "lower the learning rate or clip the gradient"
                )
            self._recent.clear()
            self._take(loss)
            return True
        self.refused += 1
        return False

    def state(self) -> dict[str, Any]:
        """Everything a resumed guard needs, as TOML values."""
        return {"refused": self.refused, "in_a_row": self._in_a_row, "recent": list(self._recent)}

    def load(self, state: dict[str, Any]) -> None:
        """Take up a stored ``state``."""
        self.refused, self._in_a_row = int(state["refused"]), int(state["in_a_row"])
        self._recent = deque(map(float, state["recent"]), maxlen=self.settings.window)

    def _take(self, loss: float) -> None:
        self._in_a_row = 0
        self._recent.append(loss)

    def _spike(self, loss: float) -> bool:
        if len(self._recent) < self.settings.window:
            return False
        middle = statistics.median(self._recent)
        if loss <= middle:
            return False
        spread = ROBUST * statistics.median(abs(value - middle) for value in self._recent)
        return loss > middle + self.settings.factor * max(spread, 1e-3 * abs(middle))
