"""Claims as TOML: what is refused, and what the package's own files say."""

from importlib.resources import files
from pathlib import Path

import pytest

from backmapbench.board.boards import CONTROL_ORDER
from backmapbench.errors import CardError
from backmapbench.metrics.registry import METRICS, metric_class
from backmapbench.studies.claims.mentions import rows_of, scores_of, tasks_of
from backmapbench.studies.claims.papers import Contrast, Grows, Training, read_paper, shipped
from backmapbench.studies.claims.spans import CANNOT_TELL
from backmapbench.studies.claims.trainings import Trained
from backmapbench.studies.claims.verdicts import judge
from backmapbench.submissions.registry import installed_models
from backmapbench.tasks import embedded_tasks, load_task

HEAD = 'schema_version = 1\npaper = "1"\ntitle = "t"\ncitation = "c"\n'
CLAIM = '[[claims]]\nid = "a"\ntext = "t"\nsource = "s"\n'
BELOW = '[[claims.checks]]\nkind = "below"\nlabel = "l"\ntasks = ["x"]\nscores = ["y"]\nrow = "m"\nrivals = ["r"]\n'


def read(tmp_path, text):
    path = tmp_path / "claims.toml"
    path.write_text(text, encoding="utf-8")
    return read_paper(path)


def test_a_file_that_is_right(tmp_path):
    paper = read(tmp_path, HEAD + CLAIM + BELOW)
    assert (tasks_of(paper.claims[0].checks), scores_of(paper.claims[0].checks)) == (["x"], ["y"])
    assert rows_of(paper.claims[0].checks) == ["m", "r"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("= no", "not valid TOML"),
        (HEAD, "claims"),
        (HEAD.replace("= 1", "= 2", 1) + CLAIM + BELOW, "schema_version"),
        (HEAD + CLAIM, "checks"),
        (HEAD + CLAIM + BELOW.replace("below", "beneath"), "kind"),
        (HEAD + CLAIM + BELOW + "factor = 0.0\n", "factor"),
        (HEAD + CLAIM + BELOW + "limit = 1.0\n", "limit"),
        (HEAD + CLAIM + BELOW.replace('["x"]', "[]"), "tasks"),
        (HEAD + CLAIM + BELOW + 'despite = ["underpowered"]\n', "despite_why"),
        (HEAD + CLAIM + BELOW + 'despite = ["too short"]\ndespite_why = "w"\n', "despite"),
        (HEAD + CLAIM.replace('"a"', '"A b"') + BELOW, "id"),
        (HEAD + CLAIM + BELOW + CLAIM + BELOW, "share the id a"),
        (HEAD + CLAIM + BELOW.replace("below", "grows") + 'gain = "ratio"\nseries = [["x"]]\n', "series"),
    ],
)
def test_a_file_that_is_wrong_is_one_clear_error(tmp_path, text, message):
    with pytest.raises(CardError, match=rf"claims\.toml: .*{message}") as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_gains_need_rivals_and_rivals_gains(tmp_path):
    contrast = (
        '[[claims.checks]]\nkind = "contrast"\nlabel = "l"\nscores = ["y"]\nrow = "m"\nside = "above"\n'
        'brackets = [{ task = "x", between = ["y", "z"] }]\n'
    )
    assert tasks_of(read(tmp_path, HEAD + CLAIM + contrast).claims[0].checks) == ["x", "y", "z"]
    for lonely in ('gain = "ratio"\n', 'rivals = ["r"]\n'):
        with pytest.raises(CardError, match="'rivals' with 'gain'"):
            read(tmp_path, HEAD + CLAIM + contrast + lonely)


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(CardError, match=r"nothing\.toml: not readable"):
        read_paper(tmp_path / "nothing.toml")


@pytest.fixture(scope="module")
def papers():
    return {paper.paper: paper for paper in map(read_paper, shipped())}


def test_the_package_has_both_papers_and_every_name_in_them_exists(papers, claims_kit):
    assert set(papers) == {"shmilovich2022", "kementzidis2025"}
    for paper in papers.values():
        judged = judge(paper, claims_kit.evidence({})).judged
        assert {each.verdict for each in judged} == {CANNOT_TELL}
        assert all(each.reasons for each in judged)
        checks = [check for claim in paper.claims for check in claim.checks]
        assert set(tasks_of(checks)) <= set(embedded_tasks())
        assert set(rows_of(checks)) <= {*CONTROL_ORDER, *(model.name for model in installed_models())}
        assert set(scores_of(checks)) <= {score.id for name in METRICS for score in metric_class(name).scores}


def test_training_is_asked_of_weights_that_come_with_the_package(papers):
    checks = [check for claim in papers["kementzidis2025"].claims for check in claim.checks]
    trainings = [check for check in checks if isinstance(check, Training)]
    assert trainings
    folder = Path(str(files("backmapbench.reference_models")))
    for check, task in ((each, task) for each in trainings for task in each.tasks):
        found = [Trained.of(folder, each, task).courses for each in (*check.stages, check.rival)]
        assert all(found)
        named = [course["command"] for courses in (found[0], found[-1]) for course in courses.values()]
        assert all(f"-t {task} " in command for command in named)


def test_what_a_row_has_by_construction_is_not_judged_by_it(papers):
    (adheres,) = [claim for claim in papers["shmilovich2022"].claims if claim.id == "adheres"]
    assert [check.kind for check in adheres.checks] == ["no data"]
    assert "adp-small" in papers["shmilovich2022"].note


def test_scores_are_asked_only_where_they_can_tell(papers):
    """Chignolin has no surface, and on alanine dipeptide the twin makes no jumps that could be fewer."""
    checks = [check for claim in papers["shmilovich2022"].claims for check in claim.checks]
    for score, task in (("fes_rmse_kt", "adp-mini-temporal"), ("frame_jump", "cln-mini-temporal")):
        asked = [check.tasks for check in checks if score in getattr(check, "scores", ())]
        assert asked == [(task,)]


def test_one_step_is_judged_as_published_corrected_and_against_bead_centre(papers):
    for claim in papers["kementzidis2025"].claims:
        if claim.id in ("rmsd", "ged", "clash", "bead-size", "disordered-gains-less"):
            assert all(check.rivals == ("cgvae-legacy", "cgvae-fixed", "bead-centre") for check in claim.checks)


def test_series_and_brackets_go_by_residues_per_bead(papers):
    def size(name):
        system = load_task(name).system
        return system.topology.n_residues / system.mapping.beads

    checks = [check for claim in papers["kementzidis2025"].claims for check in claim.checks]
    series = {each for check in checks if isinstance(check, Grows) for each in check.series}
    brackets = {each for check in checks if isinstance(check, Contrast) for each in check.brackets}
    sizes = {name: size(name) for name in tasks_of(checks)}
    assert series
    assert brackets
    for tasks in series:
        found = [sizes[task] for task in tasks]
        assert found == sorted(set(found))
        assert len({task.split("-ucg-")[0] for task in tasks}) == 1
    for each in brackets:
        smaller, larger = each.between
        assert sizes[smaller] < sizes[each.task] < sizes[larger]
