"""Energies of many frames on the CPU, as numpy arrays, frames shared out among threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from backmapbench.force_field.torch_force_field import TorchForceField

SMALLEST_SHARE = 64  # frames; with fewer, a thread costs more than it saves
DECIMALS = 7
"""Energies are rounded to 1e-7 kJ/mol: the last bits depend on how many frames are evaluated at once, and counts above
a threshold that is itself the energy of a frame (a median, a percentile) must not."""


def energies_by_term(field: TorchForceField, xyz: NDArray[np.floating]) -> NDArray[np.float64]:
    """Energies (frames, terms) in kJ/mol of xyz (frames, atoms, 3) in nm, in the order of ``field.names``.

    As many threads as torch is set to have take a share of the frames each. Torch's own way, threads inside every
    operation, makes operations on tiles that fit a cache wait for each other: with a busy core it is slower than one
    thread by up to a hundred times.

    Raises DataError for another shape.
    """
    threads = torch.get_num_threads()
    share = max(SMALLEST_SHARE, -(-len(xyz) // threads))
    shares = [xyz[first : first + share] for first in range(0, len(xyz), share)] or [xyz]

    def evaluate(part: NDArray[np.floating]) -> NDArray[np.float64]:
        torch.set_num_threads(1)  # of this thread
        with torch.no_grad():
            found = field.terms(torch.from_numpy(np.asarray(part, dtype=np.float64)))
        return np.stack([found[name].numpy() for name in field.names], axis=-1)

    with _threads_kept(threads):
        if len(shares) == 1:
            return np.round(evaluate(xyz), DECIMALS)
        with ThreadPoolExecutor(len(shares)) as pool:
            return np.round(np.concatenate(list(pool.map(evaluate, shares))), DECIMALS)


def total(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Potential energies (frames,) of energies by term (frames, terms), rounded likewise."""
    summed: NDArray[np.float64] = terms.sum(axis=-1)
    return np.round(summed, DECIMALS)


@contextmanager
def _threads_kept(threads: int) -> Iterator[None]:
    """Afterwards torch has its ``threads`` again, in this thread and in those to come."""
    try:
        yield
    finally:
        torch.set_num_threads(threads)
