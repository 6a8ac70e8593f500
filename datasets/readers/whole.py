"""Molecules that a periodic box has cut in pieces, made whole along their bonds."""

from __future__ import annotations

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.codec import spanning_tree
from backmapbench.errors import DataError

FRAMES_AT_ONCE = 1000  # bounds the double-precision copies
UNBOXED_LIMIT_NM = 0.5  # no covalent or CA-CA bond is as long; longer ones are wrapped


def make_whole(
    positions: NDArray[np.floating], box: NDArray[np.floating] | None, topology: mdtraj.Topology
) -> NDArray[np.float32]:
    """Molecules whole along their bonds by the minimum image, each anchored where its first atom lies.

    From the first atom of each molecule outwards along a spanning tree of its bonds, every atom is put at that image
    which is nearest to its parent. Exact in any cell, triclinic ones included, where bonds are shorter than half its
    smallest width (the distance between opposite faces). Molecules are not moved relative to each other.

    Args:
        positions: (frames, atoms, 3), nm.
        box: vectors as rows (frames, 3, 3), nm; None or a frame of zeros for no box.
        topology: gives the bonds; one without any leaves the positions as they are.

    Returns:
        float32 (frames, atoms, 3), nm, a new array.

    Raises:
        DataError: when the atoms are not the topology's, the box has no volume, or a bond stays longer than half the
            smallest width (0.5 nm without a box): the frame and bond are named.
    """
    if positions.ndim != 3 or positions.shape[1:] != (topology.n_atoms, 3):
        raise DataError(
            f"positions {positions.shape} are not (frames, {topology.n_atoms}, 3); give the topology's atoms"
        )
    cells = np.zeros((len(positions), 3, 3)) if box is None else np.asarray(box, dtype=np.float64)
    if cells.shape != (len(positions), 3, 3):
        raise DataError(f"box has shape {cells.shape}; expected ({len(positions)}, 3, 3)")
    pairs = np.array([(a.index, b.index) for a, b in topology.bonds], dtype=np.intp).reshape(-1, 2)
    levels = _levels(pairs, topology.n_atoms)
    whole = np.array(positions, dtype=np.float32)
    for start in range(0, len(whole), FRAMES_AT_ONCE):
        part = slice(start, start + FRAMES_AT_ONCE)
        inverse, limit = _inverse_and_limit(cells[part], start)
        moved = whole[part].astype(np.float64)
        for children, parents in levels:
            bond = moved[:, children] - moved[:, parents]
            moved[:, children] -= np.rint(bond @ inverse) @ cells[part]
        _refuse_long(moved, pairs, limit, topology, start)
        whole[part] = moved
    return whole


def _levels(pairs: NDArray[np.intp], atoms: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Atoms and their parents, one pair of arrays for each distance from the first atom of a molecule."""
    parents = spanning_tree([(int(a), int(b)) for a, b in pairs], atoms).astype(np.intp)
    found = []
    level = np.flatnonzero(parents < 0)
    while len(level):
        children = np.flatnonzero(np.isin(parents, level))
        if len(children):
            found.append((children, parents[children]))
        level = children
    return found


def _inverse_and_limit(cells: NDArray[np.float64], start: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inverse boxes (frames, 3, 3), zeros where there is none, and the longest bond allowed in each frame, nm."""
    boxed = cells.any(axis=(1, 2))
    volume = np.abs(np.linalg.det(cells))
    flat = np.flatnonzero(boxed & ~(volume > 1e-9))
    if len(flat):
        raise DataError(
            f"frame {start + int(flat[0])}: box {cells[flat[0]].tolist()} has no volume; correct or drop it"
        )
    inverse = np.zeros_like(cells)
    inverse[boxed] = np.linalg.inv(cells[boxed])
    limit = np.full(len(cells), UNBOXED_LIMIT_NM)
    # The columns of the inverse are the faces' normals, each divided by the width that it crosses.
    limit[boxed] = 0.5 / np.linalg.norm(inverse[boxed], axis=1).max(axis=1)
    return inverse, limit


def _refuse_long(
    moved: NDArray[np.float64],
    pairs: NDArray[np.intp],
    limit: NDArray[np.float64],
    topology: mdtraj.Topology,
    start: int,
) -> None:
    if not len(pairs):
        return
    lengths = np.linalg.norm(moved[:, pairs[:, 0]] - moved[:, pairs[:, 1]], axis=2)
    wrong = np.argwhere(~(lengths <= limit[:, None]))
    if len(wrong):
        frame, bond = (int(number) for number in wrong[0])
        names = " and ".join(str(topology.atom(int(atom))) for atom in pairs[bond])
        raise DataError(
            f"frame {start + frame}: {names} are bonded but {lengths[frame, bond]:.3f} nm apart (at most "
            f"{limit[frame]:.3f} nm can be): the box is wrong or missing, or the topology is of another molecule"
        )
