"""Chains of ``cgvae`` in two and three steps, from the same beads as the one-step rows."""

from __future__ import annotations

from backmapbench.reference_models.cgvae.delivery import CITATION
from backmapbench.reference_models.cgvae.model import Cgvae
from backmapbench.reference_models.composition import Level
from backmapbench.reference_models.levels import ca_level, carrying, residue_level, run_level
from backmapbench.reference_models.multistep import GivenSingleAtoms, MultiStep
from backmapbench.submissions.protocol import Backmapper, ModelInfo, System

COARSE, FINE = "small-coarse", "small-fine"
RUN = 2  # residues of a particle of the three-step chain's coarser level


class CgvaeTwoStep(MultiStep):
    """Beads to centres of residues to atoms; the beads are means of these centres, so the mappings compose."""

    def __init__(self) -> None:
        super().__init__(
            _info("cgvae-2step", "beads to residues to atoms"),
            lambda system: [residue_level(system)],
            [Cgvae("fixed", COARSE), Cgvae("fixed", FINE)],
        )


class CgvaeThreeStep(MultiStep):
    """Beads to pairs of residues to residues to atoms."""

    def __init__(self) -> None:
        super().__init__(
            _info("cgvae-3step", "beads to pairs of residues to residues to atoms"),
            lambda system: [run_level(system, RUN), residue_level(system)],
            [Cgvae("fixed", COARSE), Cgvae("fixed", COARSE), Cgvae("fixed", FINE)],
        )


def through_ca(name: str, finer: Backmapper, *, separate_beads: bool = False) -> MultiStep:
    """Beads to C-alphas by ``cgvae``, and to atoms by ``finer``, which is shown C-alphas alone.

    ``separate_beads`` is the published setting: beads are functions of the C-alphas, so it can be built for a task
    whose beads are means of C-alphas and for no other. Without it the C-alphas carry the task's beads.
    """

    def plan(system: System) -> list[Level]:
        level = ca_level(system)
        return [level if separate_beads else carrying(level, system)]

    way = "beads to CA by cgvae, CA to atoms by " + finer.info.name
    return MultiStep(_info(name, way), plan, [Cgvae("fixed", COARSE), GivenSingleAtoms(finer)])


def _info(name: str, way: str) -> ModelInfo:
    description = f"A chain of variational auto-encoders, {way}; latents are drawn from the prior at every step."
    return ModelInfo(name=name, description=description, citation=CITATION, licence="MIT")
