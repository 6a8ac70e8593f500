"""Reference backmappers: each enters by the same protocol as a stranger's and knows nothing of scoring.

``bead_centre`` and ``lookup`` are the null and the nearest-neighbour rows; ``ar_internal`` is a small learned temporal
model. All are entry points of this distribution.
"""
