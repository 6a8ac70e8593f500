"""What a frame remembers of the one before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """Of some frames: how planes are turned and bent and how torsions stand.

    Attributes:
        azimuths: of the peptide planes, (frames, planes), rad.
        noise: standard normal numbers behind the planes' stiff numbers, (frames, 5 planes).
        torsions: (frames, torsions), rad.
    """

    azimuths: Floats
    noise: Floats
    torsions: Floats
