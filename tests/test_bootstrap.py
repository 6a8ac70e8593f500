"""Weighted sums of pieces: batches and sparse storage change nothing."""

import numpy as np
from scipy import sparse

from backmapbench.bootstrap import BATCH, Stacked, Weights, replicate_scores
from backmapbench.metrics.base import Statistics

RNG = np.random.default_rng(0)
PIECES = 7
DENSE = RNG.normal(size=(PIECES, 3, 4))
SPARSE = sparse.random_array((PIECES, 5000), density=0.01, random_state=1, format="csr")


def stacked():
    pieces = [
        Statistics(
            reference={"dense": DENSE[index], "sparse": SPARSE[[index]]},
            prediction={"scalar": np.asarray(float(index))},
            paired={"scalar": np.asarray(1.0)},
        )
        for index in range(PIECES)
    ]
    return Stacked.of(pieces)


def weights(replicates):
    return Weights(*(RNG.integers(0, 4, (replicates, PIECES)).astype(float) for _ in range(2)))


def test_replicates_are_weighted_sums_whatever_the_batch():
    drawn = weights(2 * BATCH + 3)
    found = list(stacked().merged(drawn))
    assert len(found) == len(drawn.reference)
    for row, statistics in enumerate(found):
        reference, prediction = drawn.reference[row], drawn.prediction[row]
        np.testing.assert_allclose(statistics.reference["dense"], np.tensordot(reference, DENSE, axes=1), atol=1e-12)
        np.testing.assert_allclose(statistics.reference["sparse"].toarray(), (reference @ SPARSE)[None], atol=1e-12)
        assert float(statistics.prediction["scalar"]) == prediction @ np.arange(PIECES)
        assert float(statistics.paired["scalar"]) == prediction.sum()


def test_cells_that_no_drawn_piece_fills_are_not_stored():
    nothing = np.zeros(PIECES)
    one = nothing.copy()
    one[2] = 1
    merged = stacked().merge(one, nothing)
    assert merged.reference["sparse"].nnz == SPARSE[[2]].nnz
    assert merged.reference["sparse"].shape == (1, 5000)


def test_sides_may_differ_in_pieces():
    parts = {"reference": {"x": np.arange(3.0)}, "prediction": {"x": np.arange(5.0)}, "paired": {}}

    class Difference:
        def value(self, statistics):
            return {"d": float(statistics.prediction["x"] - statistics.reference["x"])}

    drawn = Weights(np.ones((4, 3)), 2 * np.ones((4, 5)))
    scores, replicates = replicate_scores(Difference(), Stacked(parts), drawn)
    assert scores == {"d": 7.0}
    np.testing.assert_array_equal(replicates["d"], np.full(4, 17.0))
