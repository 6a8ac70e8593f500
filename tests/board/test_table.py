import csv
import io
import json

import pytest
from rich.console import Console

from backmapbench.board import render_terminal
from backmapbench.board.export import FIELDS
from backmapbench.board.rows import collect
from backmapbench.board.standings import judge
from backmapbench.board.table import render


@pytest.fixture(scope="module")
def boards(folder):
    return [judge(board) for board in collect(folder)]


def printed(folder, width):
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    for part in render_terminal(folder):
        console.print(part)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 120, 250])
def test_the_terminal_shows_every_row_and_value_at_any_width(folder, boards, width):
    text = printed(folder, width)
    assert "3.15 [2.63, 3.61] #5" in text
    assert "no pair" in text
    assert all(row.name in text for row in boards[0].board.rows)
    assert all(len(line) <= width for line in text.splitlines())
    assert "[<b>" not in text


def test_the_terminal_says_why_columns_are_dim(folder):
    text = " ".join(printed(folder, 100).split())
    assert "dim: fes_rmse_kt is fixed by the input: placing every atom on its bead" in text
    assert "broken, energy_w1_kt: ValueError: <b>no</b> & such energy" in text


def test_csv_round_trips(boards):
    lines = list(csv.DictReader(io.StringIO(render(boards, "csv"))))
    board = boards[0].board
    assert tuple(lines[0]) == FIELDS
    assert len(lines) == len(board.rows) * len(board.scores)
    for line in lines:
        cell = board.cell(line["row"], line["score"])
        assert line["status"] == cell.status
        assert (line["value"] == "") == (cell.status != "ok")
        if line["value"]:
            assert [float(line[key]) for key in ("value", "low", "high")] == [cell.value, cell.low, cell.high]
        rank = boards[0].rank(line["score"], line["row"])
        assert line["rank"] == ("" if rank is None else str(rank.rank))
    good = next(line for line in lines if line["row"] == "good" and line["score"] == "fes_rmse_kt")
    assert (good["seeds"], good["greyed"], good["kind"]) == ("0 1", "fixed by the input", "model")


def test_json_says_the_same_as_csv(boards):
    content = json.loads(render(boards, "json"))
    (nested,) = content["boards"]
    rows = {row["name"]: row for row in nested["rows"]}
    for line in csv.DictReader(io.StringIO(render(boards, "csv"))):
        entry = rows[line["row"]]["scores"][line["score"]]
        assert line["value"] == ("" if entry["value"] is None else repr(entry["value"]))
        assert line["reason"] == entry["reason"]
    assert rows["good"]["seeds"] == [0, 1]
    greyed = {score["id"]: [grey["cause"] for grey in score["greyed"]] for score in nested["scores"]}
    assert greyed["fes_rmse_kt"] == ["fixed by the input"]


def test_markdown_tables_are_whole_and_their_cells_inert(boards, tmp_path, kit):
    text = render(boards, "markdown")
    tables = [lines for part in text.split("\n\n") if (lines := [x for x in part.splitlines() if x.startswith("|")])]
    assert len(tables) == 2  # scores, then skills
    for table in tables:
        assert len(table) == 2 + len(boards[0].board.rows)
        assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "&lt;b&gt;no&lt;/b&gt;" in text
    kit.write_row(tmp_path, "a|b", kit.GOOD, kind="model")
    hostile = render([judge(board) for board in collect(tmp_path)], "markdown")
    assert "a\\|b" in hostile


def test_an_unknown_format_is_refused(boards):
    with pytest.raises(ValueError, match="markdown, csv, json"):
        render(boards, "xlsx")
