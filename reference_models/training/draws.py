"""Random numbers of a step as a function of seed and step: nothing random is left to be stored."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Generator, Tensor

from backmapbench.reference_models.training.learner import Draw

# Streams of one seed.
ORDER, STEP, VALIDATION = range(3)


def generator(seed: int, stream: int, number: int) -> Generator:
    """A CPU generator of its own for every (seed, stream, number)."""
    state = np.random.SeedSequence([seed, stream, number]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def examples_of(step: int, batch: int, available: int, seed: int) -> Tensor:
    """Indices (batch,) of a step's examples: an endless row of shuffled passes over the data, cut into batches."""
    first = step * batch
    parts, taken = [], 0
    while taken < batch:
        epoch, offset = divmod(first + taken, available)
        part = _order(seed, epoch, available)[offset : offset + batch - taken]
        parts.append(part)
        taken += len(part)
    return torch.cat(parts)


def share(draw: Draw, part: int, parts: int) -> Draw:
    """The ``part``-th of ``parts`` equal shares of the examples."""
    return {name: values.chunk(parts)[part] for name, values in draw.items()}


@functools.lru_cache(maxsize=2)
def _order(seed: int, epoch: int, available: int) -> Tensor:
    return torch.randperm(available, generator=generator(seed, ORDER, epoch))
