"""Composites are weighted means of skill, made when a board is shown."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backmapbench.board.composites import FAILED, composite, composite_data, row_skills
from backmapbench.board.rows import collect
from backmapbench.board.standings import judge

names = st.sampled_from(["a", "b", "c", "d"])
skills = st.dictionaries(names, st.floats(-1, 1))
weights = st.dictionaries(names, st.floats(0, 10))


def test_a_weighted_mean():
    assert composite({"a": 1.0, "b": 0.0}, {"a": 3.0, "b": 1.0}) == 0.75
    assert composite({"a": 1.0, "b": math.nan}, {"a": 3.0, "b": 1.0}) == 1
    assert composite({"a": 1.0, "b": -1.0}, {"a": 1.0, "b": -5.0}) == 1


@given(skills, weights, st.floats(0.1, 10))
def test_lies_between_its_skills_and_only_ratios_of_weights_count(found, chosen, factor):
    value = composite(found, chosen)
    used = [skill for name, skill in found.items() if chosen.get(name, 0) > 0]
    if not used or sum(chosen.get(name, 0) for name in found) <= 1e-300:
        return
    assert min(used) - 1e-9 <= value <= max(used) + 1e-9
    assert composite(found, {name: factor * weight for name, weight in chosen.items()}) == pytest.approx(value)


def test_nothing_to_weigh():
    assert math.isnan(composite({}, {"a": 1.0}))
    assert math.isnan(composite({"a": 1.0}, {}))


def test_a_failure_counts_as_worst_and_what_cannot_be_had_not_at_all(folder):
    standings = judge(collect(folder)[0])
    board = standings.board
    assert row_skills(standings, board.row("broken"))["energy_w1_kt"] == FAILED
    assert "rmsd_angstrom" not in row_skills(standings, board.row("fresh-md"))


def test_the_page_gets_a_skill_or_null_per_row_and_column(folder):
    data = composite_data(judge(collect(folder)[0]))
    assert json.loads(json.dumps(data)) == data
    assert "oracle" not in [row["name"] for row in data["rows"]]
    assert len(data["labels"]) == len(data["columns"]) > 0
    assert all(len(row["skills"]) == len(data["columns"]) for row in data["rows"])


def test_json_and_csv_store_no_composite(folder):
    from backmapbench.board.table import render

    boards = [judge(board) for board in collect(folder)]
    assert "composite" not in render(boards, "json")
    assert "composite" not in render(boards, "csv")
