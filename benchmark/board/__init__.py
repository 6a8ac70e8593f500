"""The board: what a folder of records says, as tables, files and one static page; no coordinates are read."""

from backmapbench.board.report import render_terminal, write_report

__all__ = ["render_terminal", "write_report"]
