"""The rows of one-step ``cgvae``."""

from __future__ import annotations

from pathlib import Path

from backmapbench.reference_models.cgvae.model import Cgvae


class CgvaeLegacy(Cgvae):
    """The published behaviour."""

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__("legacy", weights=weights)


class CgvaeFixed(Cgvae):
    """The decoder sees the beads' neighbours, and the KL is the KL."""

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__("fixed", weights=weights)


class CgvaeFixedMode(Cgvae):
    """``CgvaeFixed`` decoding the prior's mean."""

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__("fixed", temperature=0.0, weights=weights)
