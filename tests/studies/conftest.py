"""Boards made of numbers, and papers made of checks."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from backmapbench.board.boards import Board, Cell, Row, ScoreInfo
from backmapbench.records import ModelEntry
from backmapbench.studies.claims import verdicts
from backmapbench.studies.claims.evidence import Evidence
from backmapbench.studies.claims.papers import Paper
from backmapbench.submissions.registry import ModelEntryPoint, installed_models

NOWHERE = Path("/nonexistent")
NULL = "jitter-0.3"
TOYS = ("m", "n", "r", "chain", "ours", "theirs", "worse", "alike", "better", "beside", "absent")
"""Rows that checks of these tests speak of, as if they were installed."""


def cell(value, low=math.nan, high=math.nan, status="ok", reason=""):
    return Cell(status, value, low, high, reason)


def board(task, rows):
    """A board of ``rows``: name -> score id -> (value, low, high), or a cell."""
    ids = list(dict.fromkeys(score for scores in rows.values() for score in scores))
    infos = tuple(ScoreInfo(name, name, 1, "", True, False, name) for name in ids)
    made = []
    for name, scores in rows.items():
        entry = ModelEntry(name=name, kind="model", description="", looks_ahead=False, origin="test")
        cells = {each: found if isinstance(found, Cell) else cell(*found) for each, found in scores.items()}
        made.append(Row(entry, (), (), {each: cells.get(each, Cell("not scored")) for each in ids}))
    return Board(task, 1, infos, tuple(made))


def evidence(boards, greyed=None, weights=NOWHERE):
    """Evidence of ``boards``: task -> rows, with what is greyed by task and score."""
    return Evidence({task: board(task, rows) for task, rows in boards.items()}, greyed or {}, weights)


def paper(*checks, **changes):
    """A paper with one claim that stands on ``checks``, given as TOML would."""
    claim = {"id": "one", "text": "It holds.", "source": "sec. 1", "checks": list(checks)} | changes
    content = {"schema_version": 1, "paper": "shmilovich2022", "title": "T", "citation": "C", "claims": [claim]}
    return Paper.model_validate(content)


@pytest.fixture(scope="session")
def claims_kit():
    return SimpleNamespace(cell=cell, board=board, evidence=evidence, paper=paper, null=NULL)


@pytest.fixture(scope="session", autouse=True)
def toys_are_installed():
    """The toy rows are known to claims beside those that really are installed."""
    found = [*installed_models(), *(ModelEntryPoint(name, "", "") for name in TOYS)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verdicts, "installed_models", lambda: found)
        yield
