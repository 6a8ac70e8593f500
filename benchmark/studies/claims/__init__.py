"""Claims of papers as runnable checks on the records of a board: TOML files, one a paper, judged by intervals.

Run ``backmapbench claims --help``.
"""

from backmapbench.studies.claims.page import write_claims

__all__ = ["write_claims"]
