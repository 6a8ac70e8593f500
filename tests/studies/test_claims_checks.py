"""Checks of claims on boards whose verdicts are known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backmapbench.board.greying import Grey
from backmapbench.errors import UnknownNameError
from backmapbench.metrics.resolutions import resolution
from backmapbench.studies.claims.evidence import Evidence
from backmapbench.studies.claims.spans import CANNOT_TELL, NOT_UPHELD, UPHELD
from backmapbench.studies.claims.verdicts import judge

SCORE = "rmsd_angstrom"
TASK = "nls-mini-ucg-8"
UNDERPOWERED = {TASK: {SCORE: (Grey("underpowered", "Too short to tell."),)}}
WITHIN = {
    "kind": "within",
    "label": "l",
    "tasks": [TASK],
    "scores": [SCORE],
    "row": "m",
    "yardstick": "fresh-md",
    "factor": 2.0,
}
AT_MOST = {"kind": "at most", "label": "l", "tasks": [TASK], "scores": [SCORE], "row": "m", "limit": 3.0}
BELOW = {"kind": "below", "label": "l", "tasks": [TASK], "scores": [SCORE], "row": "m", "rivals": ["r"]}
SMALL, LARGE = "villin-mini-ucg-10", "villin-mini-ucg-3"
GROWS = {
    "kind": "grows",
    "label": "l",
    "series": [[SMALL, LARGE]],
    "scores": [SCORE],
    "row": "m",
    "rivals": ["r"],
    "gain": "ratio",
}
CONTRAST = {
    "kind": "contrast",
    "label": "l",
    "brackets": [{"task": TASK, "between": [SMALL, LARGE]}],
    "scores": [SCORE],
    "row": "m",
    "side": "above",
}


def about(value, spread=0.1):
    return value, value * (1 - spread), value * (1 + spread)


@pytest.fixture
def verdict(claims_kit):
    """Verdict and reasons of one check; rows as name -> value, or task -> rows of several tasks."""

    def find(check, boards, **kwargs):
        if not any(isinstance(rows, dict) for rows in boards.values()):
            boards = {TASK: boards}
        tabled = {
            task: {name: {SCORE: found if isinstance(found, tuple) else about(found)} for name, found in rows.items()}
            for task, rows in boards.items()
        }
        (found,) = judge(claims_kit.paper(check), claims_kit.evidence(tabled, **kwargs)).judged
        return found.verdict, found.reasons

    return find


@pytest.mark.parametrize(("value", "expected"), [(1.7, UPHELD), (2.1, CANNOT_TELL), (2.6, NOT_UPHELD)])
def test_within_twice_the_upper_bound(verdict, value, expected):
    assert verdict(WITHIN, {"m": value, "fresh-md": (0.8, 0.5, 1.1), "bead-centre": 9.0})[0] == expected


def test_within_allows_the_resolution_where_molecular_dynamics_is_perfect(verdict):
    least = resolution(SCORE, SCORE)
    exact = (0.0, 0.0, 0.0)
    assert verdict(WITHIN, {"m": 1.8 * least, "fresh-md": exact, "bead-centre": 9.0})[0] == UPHELD
    assert verdict(WITHIN, {"m": 2.3 * least, "fresh-md": exact, "bead-centre": 9.0})[0] == NOT_UPHELD


@pytest.mark.parametrize("check", [WITHIN, AT_MOST])
def test_a_bar_that_the_uninformed_control_passes_supports_nothing_but_refutes(verdict, check):
    easy = {"fresh-md": (1.0, 0.5, 1.5), "bead-centre": 2.5}
    assert verdict(check, easy | {"m": 1.0}) == (
        CANNOT_TELL,
        [f"{SCORE} of m on {TASK}: the uninformed control bead-centre (2.5) passes as well"],
    )
    assert verdict(check, easy | {"m": 5.0})[0] == NOT_UPHELD


@pytest.mark.parametrize("check", [WITHIN, AT_MOST])
def test_a_greyed_score_supports_nothing_but_refutes(verdict, check):
    rows = {"fresh-md": (1.0, 0.5, 1.5), "bead-centre": 9.0}
    found, reasons = verdict(check, rows | {"m": 1.0}, greyed=UNDERPOWERED)
    assert found == CANNOT_TELL
    assert reasons == [f"{SCORE} of m on {TASK}: greyed: Too short to tell"]
    assert verdict(check, rows | {"m": 5.0}, greyed=UNDERPOWERED)[0] == NOT_UPHELD


def test_scores_are_greyed_as_on_the_board(claims_kit):
    """The uninformed control lies inside the interval of independent molecular dynamics."""
    rows = {"m": about(1.0), "r": about(2.0), "fresh-md": (1.0, 0.5, 3.0), "bead-centre": about(2.0)}
    board = claims_kit.board("toy-task", {name: {SCORE: found} for name, found in rows.items()})
    (judged,) = judge(claims_kit.paper(BELOW | {"tasks": ["toy-task"]}), Evidence.of([board])).judged
    assert judged.verdict == CANNOT_TELL
    assert "'bead-centre' (2) lies inside the interval of independent MD [0.5, 3]" in judged.reasons[0]


@pytest.mark.parametrize(("rival", "expected"), [(2.0, UPHELD), (1.1, CANNOT_TELL), (0.5, NOT_UPHELD)])
def test_below(verdict, rival, expected):
    assert verdict(BELOW, {"m": 1.0, "r": rival})[0] == expected


def test_below_by_a_factor(verdict):
    tenfold = BELOW | {"factor": 10.0}
    assert verdict(tenfold, {"m": 1.0, "r": 20.0})[0] == UPHELD
    assert verdict(tenfold, {"m": 1.0, "r": 2.0})[0] == NOT_UPHELD


def test_greying_stops_a_comparison_of_rows_either_way_unless_the_claim_says_why_not(verdict):
    why = {"despite": ["underpowered"], "despite_why": "Because."}
    for rival, expected in ((2.0, UPHELD), (0.5, NOT_UPHELD)):
        assert verdict(BELOW, {"m": 1.0, "r": rival}, greyed=UNDERPOWERED)[0] == CANNOT_TELL
        assert verdict(BELOW | why, {"m": 1.0, "r": rival}, greyed=UNDERPOWERED)[0] == expected
    other = {TASK: {SCORE: (Grey("fixed by the input", "The beads decide."),)}}
    assert verdict(BELOW | why, {"m": 1.0, "r": 2.0}, greyed=other)[0] == CANNOT_TELL


@pytest.mark.parametrize(
    ("gain", "large", "expected"),
    [
        ("ratio", {"m": 1.0, "r": 6.0}, UPHELD),
        ("ratio", {"m": 1.0, "r": 2.1}, CANNOT_TELL),
        ("ratio", {"m": 3.0, "r": 3.0}, NOT_UPHELD),
        ("difference", {"m": 3.0, "r": 9.0}, UPHELD),
        ("difference", {"m": 4.0, "r": 4.0}, NOT_UPHELD),
    ],
)
def test_gains_grow_along_a_series(verdict, gain, large, expected):
    """On the small beads the rival's error is twice the row's, and larger by one."""
    boards = {SMALL: {"m": (1.0, 0.98, 1.02), "r": (2.0, 1.98, 2.02)}, LARGE: large}
    assert verdict(GROWS | {"gain": gain}, boards)[0] == expected


@pytest.mark.parametrize(
    ("value", "side", "expected"),
    [
        (5.0, "above", UPHELD),
        (2.0, "above", CANNOT_TELL),
        (0.5, "above", NOT_UPHELD),
        (0.5, "below", UPHELD),
        (5.0, "below", NOT_UPHELD),
    ],
)
def test_a_task_against_two_that_bracket_it(verdict, value, side, expected):
    boards = {TASK: {"m": value}, SMALL: {"m": 1.0}, LARGE: {"m": 3.0}}
    assert verdict(CONTRAST | {"side": side}, boards)[0] == expected


def test_gains_of_a_task_against_two_that_bracket_it(verdict):
    gains = CONTRAST | {"gain": "ratio", "rivals": ["r"], "side": "below"}
    boards = {TASK: {"m": 2.0, "r": 2.4}, SMALL: {"m": 1.0, "r": 2.0}, LARGE: {"m": 1.0, "r": 5.0}}
    assert verdict(gains, boards)[0] == UPHELD
    assert verdict(gains, boards | {TASK: {"m": 1.0, "r": 9.0}})[0] == NOT_UPHELD


@pytest.mark.parametrize(
    ("check", "rows"), [(WITHIN, ["m", "fresh-md"]), (AT_MOST, ["m"]), (BELOW, ["m", "r"]), (GROWS, ["m", "r"])]
)
def test_rows_that_are_missing_leave_it_open(verdict, check, rows):
    tasks = ", ".join(check.get("tasks") or check["series"][0])
    found, reasons = verdict(check, {"another": 1.0})
    assert found == CANNOT_TELL
    assert reasons == [f"no record of {row} on {tasks}" for row in rows]


def test_numbers_that_are_missing_leave_it_open(verdict, claims_kit):
    for lacking, reason in (
        ((1.0,), "has no interval"),
        ((math.nan, math.nan, math.nan, "failed", "bonds broke"), "is failed: bonds broke"),
    ):
        found, reasons = verdict(BELOW, {"m": 1.0, "r": lacking})
        assert found == CANNOT_TELL
        assert reasons == [f"{SCORE} of r on {TASK} {reason}"]
    evidence = claims_kit.evidence({TASK: {"m": {"ged": (1.0,)}, "r": {"ged": (1.0,)}}})
    (judged,) = judge(claims_kit.paper(BELOW), evidence).judged
    assert judged.reasons == [f"{SCORE} is not among the scores of {TASK}"]


def test_each_rival_has_a_verdict_of_its_own_and_one_refutes_the_claim(claims_kit):
    rows = {"m": 1.0, "worse": 2.0, "alike": 1.0, "better": 0.5}
    evidence = claims_kit.evidence({TASK: {name: {SCORE: about(value)} for name, value in rows.items()}})
    paper = claims_kit.paper(BELOW | {"rivals": ["worse", "alike", "better"]})
    (judged,) = judge(paper, evidence).judged
    assert [check.verdict for check in judged.checked] == [UPHELD, CANNOT_TELL, NOT_UPHELD]
    assert [check.label for check in judged.checked] == [f"l, against {name}" for name in ("worse", "alike", "better")]
    assert judged.verdict == NOT_UPHELD
    assert judged.counts == "1 of 3 comparisons upheld, 1 cannot be told"
    assert judged.reasons == [f"{SCORE} of m on {TASK}: its interval lies nowhere below that of better"]


def test_rows_beside_do_not_count_and_are_left_out_where_they_are_missing(claims_kit):
    rows = {"m": 1.0, "r": 2.0, "beside": 5.0}
    evidence = claims_kit.evidence({TASK: {name: {SCORE: about(value)} for name, value in rows.items()}})
    (judged,) = judge(claims_kit.paper(BELOW | {"beside": ["beside", "r", "absent"]}), evidence).judged
    assert judged.verdict == UPHELD
    shown = [(each.row, each.counted, each.verdict) for each in judged.checked[0].comparisons]
    assert shown == [("m", True, UPHELD), ("beside", False, NOT_UPHELD)]


def test_what_no_data_can_tell_says_so(claims_kit):
    paper = claims_kit.paper({"kind": "no data", "label": "l", "reason": "There is none."})
    (judged,) = judge(paper, claims_kit.evidence({})).judged
    assert (judged.verdict, judged.reasons) == (CANNOT_TELL, ["There is none."])


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"tasks": ["nls-mini-ucg-9"]}, "nls-mini-ucg-8"),
        ({"scores": ["rmsd_angstorm"]}, SCORE),
        ({"row": "temporal-cvea"}, "temporal-cvae"),
        ({"rivals": ["bead-center"]}, "bead-centre"),
        ({"beside": ["equivariant-temporl"]}, "equivariant-temporal"),
    ],
)
def test_a_name_that_does_not_exist_is_an_error(claims_kit, change, hint):
    with pytest.raises(UnknownNameError, match=rf"claims of .*did you mean .*{hint}"):
        judge(claims_kit.paper(BELOW | change), claims_kit.evidence({}))


def test_a_row_may_be_known_from_the_board_alone(claims_kit):
    paper = claims_kit.paper(BELOW | {"row": "my-own"})
    with pytest.raises(UnknownNameError, match=r"row in the claims of .*my-own"):
        judge(paper, claims_kit.evidence({}))
    rows = {"my-own": {SCORE: about(1.0)}, "r": {SCORE: about(2.0)}}
    (judged,) = judge(paper, claims_kit.evidence({TASK: rows})).judged
    assert judged.verdict == UPHELD


def test_where_neither_row_errs_there_is_nothing_to_compare(claims_kit):
    least = resolution(SCORE, SCORE)
    none, some = (0.0, 0.0, 0.9 * least), (3 * least, 2 * least, 4 * least)

    def found(row, rival, **changes):
        boards = {TASK: {"m": {SCORE: row}, "r": {SCORE: rival}}, SMALL: {"m": {SCORE: some}, "r": {SCORE: about(9.0)}}}
        (judged,) = judge(
            claims_kit.paper(BELOW | {"tasks": [TASK, SMALL]} | changes), claims_kit.evidence(boards)
        ).judged
        return judged

    assert found(none, none).verdict == UPHELD
    assert found(none, none).counts == "1 of 1 comparisons upheld, 0 cannot be told"
    assert found(some, none).verdict == NOT_UPHELD
    assert found((least, 0.0, 2 * least), none).verdict == CANNOT_TELL
    assert found((0.6 * least, 0.6 * least, 2 * least), (0.5 * least,) * 3).verdict == CANNOT_TELL
    assert found(none, (1.5 * least, 0.5 * least, 2 * least)).verdict == CANNOT_TELL
    assert found(none, some).verdict == UPHELD
    alone = found(none, none, tasks=[TASK])
    assert alone.verdict == CANNOT_TELL
    assert "there is nothing to compare" in alone.reasons[0]
    assert not alone.checked[0].comparisons[0].beside


def test_a_rival_that_cannot_be_beaten_is_said_to_be(verdict):
    least = resolution(SCORE, SCORE)
    for rival, why in (
        ((1.0, 0.0, 2.0), "the interval of r reaches down to the score's resolution"),
        ((0.0, 0.0, 0.0), "r has no error above the score's resolution"),
    ):
        found, reasons = verdict(BELOW, {"m": (1.0, 0.0, 2.0), "r": rival})
        assert found == CANNOT_TELL
        assert reasons[0].startswith(f"{SCORE} of m on {TASK}: {why} of {least:g}")


scales = st.floats(0.2, 5.0) | st.floats(0.0, 0.004)


@given(st.lists(scales, min_size=6, max_size=6), st.lists(st.floats(0.0, 0.3), min_size=6, max_size=6), scales)
def test_wider_intervals_can_only_open_a_verdict(claims_kit, values, spreads, wider):
    """Of every kind of check at once; the yardstick's bound is part of the claim, so it stays."""
    tasks = (TASK, SMALL, LARGE)
    names = [(task, row) for task in tasks for row in ("m", "r")]

    def found(factor):
        boards = {task: {"fresh-md": {SCORE: (1.0, 0.5, 1.5)}, "bead-centre": {SCORE: about(99.0)}} for task in tasks}
        for (task, row), value, spread in zip(names, values, spreads, strict=True):
            boards[task][row] = {SCORE: (value, max(0.0, value * (1 - spread * factor)), value * (1 + spread * factor))}
        paper = claims_kit.paper(WITHIN, AT_MOST, BELOW, GROWS, CONTRAST)
        (judged,) = judge(paper, claims_kit.evidence(boards)).judged
        return [judged.verdict, *(check.verdict for check in judged.checked)]

    for before, after in zip(found(1.0), found(1.0 + wider), strict=True):
        assert after in (before, CANNOT_TELL)
