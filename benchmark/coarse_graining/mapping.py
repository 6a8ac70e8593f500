"""``CoarseMapping``: a sparse n x N matrix of weights that takes atom positions to bead positions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.errors import CardError

ROW_SUM_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class CoarseMapping:
    """Beads X_I = sum_i w_Ii x_i, each row of weights summing to 1.

    Attributes:
        weights: CSR matrix (beads, atoms), dimensionless.
        bead_names: one name per bead.

    Raises:
        CardError: a row that does not sum to 1, an empty bead, a weight that is not finite, or another number of names.
    """

    weights: sparse.csr_array
    bead_names: tuple[str, ...]

    def __post_init__(self) -> None:
        matrix = sparse.csr_array(self.weights, dtype=np.float64)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        object.__setattr__(self, "weights", matrix)
        if len(self.bead_names) != matrix.shape[0]:
            raise CardError(f"mapping has {matrix.shape[0]} beads and {len(self.bead_names)} names; give one name each")
        if not np.isfinite(matrix.data).all():
            raise CardError("mapping has a weight that is not finite; correct it")
        sums = np.asarray(matrix.sum(axis=1)).ravel()
        for bead in np.flatnonzero(np.abs(sums - 1.0) > ROW_SUM_TOLERANCE):
            raise CardError(f"weights of bead '{self.bead_names[bead]}' sum to {sums[bead]:.6g}; they must sum to 1")

    @property
    def beads(self) -> int:
        """Number of beads n."""
        return int(self.weights.shape[0])

    @property
    def atoms(self) -> int:
        """Number of atoms N."""
        return int(self.weights.shape[1])

    @cached_property
    def is_slice(self) -> bool:
        """Whether every bead is exactly one atom."""
        return bool((np.diff(self.weights.indptr) == 1).all())

    @property
    def slice_atoms(self) -> NDArray[np.intp]:
        """Atom index of each bead of a slice. Raises CardError when a bead is not one atom."""
        if not self.is_slice:
            raise CardError("this mapping has beads of several atoms, so they have no single atom index")
        return np.asarray(self.weights.indices, dtype=np.intp)

    def positions(self, atoms: NDArray[np.floating]) -> NDArray[np.floating]:
        """Bead positions (..., beads, 3) of atom positions (..., atoms, 3); unit and float type kept."""
        if self.is_slice and np.shape(atoms)[-2:] == (self.atoms, 3):
            return np.ascontiguousarray(np.asarray(atoms)[..., self.slice_atoms, :])
        return _apply(self.weights, atoms)

    def forces(self, atom_forces: NDArray[np.floating]) -> NDArray[np.floating]:
        """Bead forces (..., beads, 3) of atom forces (..., atoms, 3), as force matching needs them.

        Basic force aggregation F_I = sum_i B_Ii f_i where B = (W W^T)^-1 W, so that B W^T = 1: a consistent local mean
        force for any linear map of full rank (Ciccotti, Kapral, Vanden-Eijnden 2005; Noid et al. 2008). For a slice
        it is the force on the atom; for a centre of geometry the sum of its atoms' forces.

        Raises CardError when beads are linearly dependent.
        """
        return _apply(self._force_weights, atom_forces)

    @cached_property
    def _force_weights(self) -> sparse.csr_array:
        gram = (self.weights @ self.weights.T).toarray()
        if np.linalg.matrix_rank(gram) < self.beads:
            raise CardError("beads are linearly dependent, so bead forces are not defined; remove the dependent bead")
        return sparse.csr_array(np.linalg.solve(gram, self.weights.toarray()))

    def after(self, finer: CoarseMapping) -> CoarseMapping:
        """Composition: this mapping applied to the beads of ``finer`` (Gamma1 after Gamma0, Kementzidis 2025 sec. 2).

        Raises CardError when the bead count of ``finer`` is not this mapping's atom count.
        """
        if finer.beads != self.atoms:
            raise CardError(
                f"cannot compose: the finer mapping has {finer.beads} beads, the coarser takes {self.atoms}"
            )
        return CoarseMapping(sparse.csr_array(self.weights @ finer.weights), self.bead_names)

    def to_json(self) -> str:
        """Serialise to JSON: shape, names and the (bead, atom, weight) triplets."""
        triplets = self.weights.tocoo()
        rows = [[int(i), int(j), float(w)] for i, j, w in zip(triplets.row, triplets.col, triplets.data, strict=True)]
        return json.dumps({"atoms": self.atoms, "bead_names": list(self.bead_names), "weights": rows})

    @classmethod
    def from_json(cls, text: str) -> CoarseMapping:
        """Inverse of ``to_json``. Raises CardError for text of another shape."""
        try:
            saved = json.loads(text)
            names = tuple(str(name) for name in saved["bead_names"])
            rows, columns, values = zip(*saved["weights"], strict=True)
            matrix = sparse.csr_array((values, (rows, columns)), shape=(len(names), int(saved["atoms"])))
        except (KeyError, TypeError, ValueError) as error:
            raise CardError(f"not a serialised mapping ({error}); write it with CoarseMapping.to_json") from error
        return cls(matrix, names)

    @classmethod
    def from_groups(
        cls,
        groups: Sequence[Sequence[int]],
        atoms: int,
        names: Sequence[str],
        weights: NDArray[np.floating] | None = None,
    ) -> CoarseMapping:
        """One bead per group of atom indices, weighted by ``weights`` (atoms,) normalised within each group.

        Raises CardError for an empty group.
        """
        matrix = sparse.lil_array((len(groups), atoms))
        for bead, group in enumerate(groups):
            if not len(group):
                raise CardError(f"bead '{names[bead]}' has no atoms; give it at least one")
            share = np.ones(len(group)) if weights is None else np.asarray(weights, dtype=float)[list(group)]
            for atom, weight in zip(group, share / share.sum(), strict=True):
                matrix[bead, atom] = weight
        return cls(sparse.csr_array(matrix), tuple(names))


def _apply(matrix: sparse.csr_array, values: NDArray[np.floating]) -> NDArray[np.floating]:
    values = np.asarray(values)
    if values.shape[-2:] != (matrix.shape[1], 3):
        raise CardError(f"mapping expects (..., {matrix.shape[1]}, 3) values, got {values.shape}")
    flat = np.moveaxis(values.reshape(-1, matrix.shape[1], 3), 1, 0).reshape(matrix.shape[1], -1)
    beads = np.moveaxis((matrix @ flat).reshape(matrix.shape[0], -1, 3), 0, 1)
    return np.ascontiguousarray(beads, dtype=values.dtype).reshape(*values.shape[:-2], matrix.shape[0], 3)
