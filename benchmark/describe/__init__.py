"""A dataset on one page: its card, and pictures of what is in it."""

from backmapbench.describe.page import describe

__all__ = ["describe"]
