"""The Gaussian chain that the flow starts from, conditioned on beads in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from backmapbench.reference_models.chain_flow.settings import PriorSettings

ANYWHERE_NM2 = 1e6  # variance of a chain's first C-alpha: beads alone say where a chain is
SMALLEST_NM2 = 1e-10  # of a bead's noise: keeps the equations solvable where beads are C-alphas, or one twice


def covariance(chain: Tensor, settings: PriorSettings) -> Tensor:
    """Covariance of a coordinate of the C-alphas, (residues, residues), nm^2; ``chain`` (residues,) numbers chains.

    Bonds k apart are correlated by ``stiffness`` exp(-k / ``persistence``), as in a worm-like chain with joints that
    are partly free; sums of bonds give positions. Residues of number -1 (padding) stand alone.
    """
    count = len(chain)
    order = torch.arange(count, dtype=torch.float64)
    apart = (order[:, None] - order).abs()
    bonds = settings.stiffness * (-apart / settings.persistence).exp()
    bonds.fill_diagonal_(1.0)
    same = (chain[:, None] == chain) & (chain >= 0)[:, None]
    bonds = settings.bond_nm**2 / 3 * bonds * same
    # Row i sums the bonds between the first residue of its chain and i; bond j leads to residue j.
    first = torch.tensor([int((chain == number).nonzero()[0]) for number in chain.tolist()])
    sums = (same & (order <= order[:, None]) & (order > first[:, None])).double()
    return sums @ bonds @ sums.T + ANYWHERE_NM2 * same + torch.diag((chain < 0).double())


@dataclass(frozen=True)
class Conditional:
    """C-alphas given beads: mean ``gain @ beads`` and samples; a batch of molecules or one for all frames.

    Attributes:
        operator: C-alphas to what the beads would be on average, (..., beads, residues).
        gain: beads to the mean of the C-alphas, (..., residues, beads).
        spread: standard deviation of each C-alpha per coordinate, (..., residues), nm.
        factor: Cholesky factor of the unconditional covariance.
        noise: standard deviation of each bead about its mean, (..., beads), nm.
    """

    operator: Tensor
    gain: Tensor
    spread: Tensor
    factor: Tensor
    noise: Tensor

    @classmethod
    def of(cls, chain_covariance: Tensor, operator: Tensor, noise: Tensor) -> Conditional:
        """From the covariance (..., residues, residues), the operator and the noise; all double.

        A row of zeros in the operator is no bead: it is given no weight.
        """
        product = operator @ chain_covariance
        empty = (operator.sum(-1) == 0).to(operator.dtype)
        inner = product @ operator.mT + torch.diag_embed(noise.square() + SMALLEST_NM2 + empty)
        gain = torch.linalg.solve(inner, product).mT
        left = (chain_covariance - gain @ product).diagonal(dim1=-2, dim2=-1)
        factor = torch.linalg.cholesky(chain_covariance)
        return cls(operator, gain, left.clamp_min(0).sqrt(), factor, (noise.square() + SMALLEST_NM2).sqrt())

    def stiff_gain(self) -> Tensor:
        """The gain without noise, (..., residues, beads): residues moved by it move every bead exactly.

        Beads that depend on each other share what they can: the least-squares answer.
        """
        seen = self.operator @ self.factor
        inverse: Tensor = torch.linalg.pinv(seen)
        return self.factor @ inverse

    def mean(self, beads: Tensor) -> Tensor:
        """Of the C-alphas, (..., residues, 3), given beads (..., beads, 3), nm."""
        return self.gain @ beads

    def draw(self, beads: Tensor, chain_noise: Tensor, bead_noise: Tensor) -> Tensor:
        """A sample given beads, from standard normal (..., residues, 3) and (..., beads, 3).

        Matheron's rule: a free chain is moved by the gain times what its beads miss.
        """
        free = self.factor @ chain_noise
        seen = self.operator @ free + self.noise[..., None] * bead_noise
        return free + self.gain @ (beads - seen)
