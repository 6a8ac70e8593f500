"""Claims as TOML: what is refused, and what the package's own files say."""

import pytest

from backmapbench.errors import CardError
from backmapbench.studies.claims.mentions import rows_of, scores_of, tasks_of
from backmapbench.studies.claims.papers import Contrast, Grows, read_paper, shipped
from backmapbench.studies.claims.spans import CANNOT_TELL
from backmapbench.studies.claims.verdicts import judge
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
        assert set(tasks_of(check for claim in paper.claims for check in claim.checks)) <= set(embedded_tasks())


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
