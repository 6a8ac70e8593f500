"""From records to the page of claims."""

import json
import re
import sys

import numpy as np
import pytest

from backmapbench import cli
from backmapbench.board import write_report
from backmapbench.errors import RecordError
from backmapbench.records import Cost, MetricEntry, ModelEntry, Record, ScoreEntry, record_path, write_record
from backmapbench.studies.claims import write_claims
from backmapbench.studies.claims.page import commands

TASK = "toy-task"
SCORE = "rmsd_angstrom"
TOML = f"""
schema_version = 1
paper = "042"
title = "A <title>"
citation = "Nobody"

[[claims]]
id = "better"
text = "Ours & theirs | compared."
source = "sec. 1"
[[claims.checks]]
kind = "below"
label = "Error"
tasks = ["{TASK}"]
scores = ["{SCORE}", "ged"]
row = "ours"
rivals = ["theirs"]

[[claims]]
id = "time"
text = "It takes no data."
source = "sec. 2"
[[claims.checks]]
kind = "no data"
label = "None"
reason = "there is none"
"""


def write_row(folder, name, value, seed=0, failed=None):
    draws = value * (1 + 0.01 * np.random.default_rng(seed).normal(size=100))
    low, high = np.quantile(draws, (0.025, 0.975))
    score = ScoreEntry(
        metric=SCORE, unit="Angstrom", ranked=True, distance=False, summary="s", value=value, low=low, high=high
    )
    ged = MetricEntry(version=1, status="failed", reason=failed) if failed else None
    record = Record(
        schema_version=1,
        task=TASK,
        task_version=1,
        key="0" * 64,
        model=ModelEntry(name=name, kind="model", description="", looks_ahead=False, origin="test"),
        seed=seed,
        samples=1,
        blocks=20,
        frames=100,
        replicates=100,
        metrics={SCORE: MetricEntry(version=1, status="ok")} | ({"ged": ged} if ged else {}),
        scores={SCORE: score},
        cost=Cost(
            fit_seconds=0,
            backmap_seconds=1,
            seconds_per_frame=0.01,
            score_seconds=1,
            peak_memory_MB=1,
            device="cpu",
        ),
        provenance={},
        statistics_sha256="",
    )
    write_record(record_path(folder, TASK, name, seed), record, {}, {SCORE: draws})


@pytest.fixture
def written(tmp_path):
    """Folder of records and file of claims: ours is better in one score, and failed in the other."""
    folder = tmp_path / "results"
    write_row(folder, "ours", 1.0, failed="<script>alert(1)</script>")
    write_row(folder, "theirs", 2.0)
    claims = tmp_path / "claims.toml"
    claims.write_text(TOML, encoding="utf-8")
    return folder, claims


def test_verdicts_reach_all_three_files(written):
    folder, claims = written
    html, markdown, data = write_claims(folder, claims=[claims])
    assert [path.name for path in (html, markdown, data)] == ["claims.html", "claims.md", "claims.json"]
    (paper,) = json.loads(data.read_text(encoding="utf-8"))["papers"]
    better, time = paper["claims"]
    rmsd, ged = better["checks"][0]["comparisons"]
    assert (rmsd["verdict"], ged["verdict"], better["verdict"], time["verdict"]) == ("upheld", *["cannot tell"] * 3)
    assert [number["value"] for number in rmsd["numbers"]] == [1.0, 2.0]
    assert rmsd["numbers"][0]["low"] < 1.0 < rmsd["numbers"][0]["high"]
    assert ged["numbers"][1]["value"] is None
    for path in (html, markdown):
        text = path.read_text(encoding="utf-8")
        shown = re.search(r"ours (1\.00\d* \[0\.9\d+, 1\.0\d+\])", text)
        assert shown
        assert "there is none" in text
        assert f"backmapbench run -t {TASK} -m ours -m theirs -o {folder} --resume" in text
        assert f"backmapbench claims {folder}" in text
        assert "1 of 2 comparisons upheld, 1 cannot be told" in text


def test_pages_show_text_as_text_and_load_nothing(written):
    folder, claims = written
    html, markdown, _ = (path.read_text(encoding="utf-8") for path in write_claims(folder, claims=[claims]))
    assert "<script" not in html + markdown
    assert "A &lt;title&gt;" in html
    assert "Ours & theirs \\| compared." in markdown
    assert not re.search(r"https?://|@import|url\(|src=", html)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    anchors = re.findall(r'href="#([^"]+)"', html)
    assert set(anchors) == {"042-better", "042-time"} <= set(ids)


def test_links_do_not_depend_on_which_page_is_written_first(written):
    folder, claims = written
    html = write_claims(folder, claims=[claims])[0].read_text(encoding="utf-8")
    assert not (folder / "index.html").exists()
    assert 'href="index.html"' in html
    assert f'href="definitions.html#{SCORE}"' in html
    (folder / "index.html").write_text("board", encoding="utf-8")
    assert write_claims(folder, claims=[claims])[0].read_text(encoding="utf-8") == html


def test_judging_and_then_drawing_the_board_links_both_ways(written):
    """As `make leaderboard` does."""
    folder, claims = written
    write_claims(folder, claims=[claims])
    index = next(path for path in write_report(folder) if path.name == "index.html")
    assert 'href="claims.html"' in index.read_text(encoding="utf-8")
    links = re.findall(r'href="([^"#]+)', (folder / "claims.html").read_text(encoding="utf-8"))
    assert links
    assert all((folder / link).is_file() for link in links)


def test_commands_name_models_and_leave_controls_to_the_run(claims_kit, tmp_path):
    check = {"kind": "below", "label": "l", "tasks": ["a", "b"], "scores": ["ged"], "row": "m", "rivals": ["lookup"]}
    (claim,) = claims_kit.paper(check | {"beside": ["n", "conditional-md"]}).claims
    run, judge = commands(claim, tmp_path)
    assert run == f"backmapbench run -t a -t b -m m -m n -o {tmp_path} --resume"
    assert judge == f"backmapbench claims {tmp_path}"


def test_seeds_are_pooled_as_on_the_board(written):
    folder, claims = written
    write_row(folder, "theirs", 4.0, seed=1)
    data = json.loads(write_claims(folder, claims=[claims])[2].read_text(encoding="utf-8"))
    numbers = data["papers"][0]["claims"][0]["checks"][0]["comparisons"][0]["numbers"]
    assert numbers[1]["value"] == 3.0


def test_the_package_s_own_claims_are_judged_without_any_of_their_rows(written, tmp_path):
    folder, _ = written
    data = json.loads(write_claims(folder, tmp_path / "page")[2].read_text(encoding="utf-8"))
    assert [paper["paper"] for paper in data["papers"]] == ["kementzidis2025", "shmilovich2022"]
    claims = [claim for paper in data["papers"] for claim in paper["claims"]]
    decided = {claim["id"]: claim["verdict"] for claim in claims if claim["verdict"] != "cannot tell"}
    assert decided == {"cheaper": "not upheld"}  # what training cost is said by the delivered weights, not by rows
    assert not (folder / "claims.html").exists()


def test_a_folder_without_records_is_an_error(tmp_path):
    with pytest.raises(RecordError, match="no records"):
        write_claims(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_verdicts_and_exits_with_2_on_bad_input(written, monkeypatch, capsys):
    folder, claims = written

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["backmapbench", "claims", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code or 0, capsys.readouterr()

    code, done = run(folder, "-c", claims)
    assert code == 0
    assert re.search(r"better +cannot tell +1 of 2 comparisons upheld", done.out)
    assert "claims.html" in done.out
    assert "backmapbench report" in done.out
    write_report(folder)
    assert "backmapbench report" not in run(folder, "-c", claims)[1].out
    code, bad = run(folder.parent / "nothing", "-c", claims)
    assert code == 2
    assert bad.err.startswith("error: ")
