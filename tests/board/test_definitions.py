import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import backmapbench.metrics
from backmapbench.board import write_report
from backmapbench.board.definitions import PAGE, SECTIONS, definition, definition_link, render_definitions, to_html
from backmapbench.metrics import METRICS, metric_class

FOLDER = Path(backmapbench.metrics.__file__).parent / "definitions"
INDEX = Path(__file__).parents[2] / "docs" / "metrics.md"
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


class Links(HTMLParser):
    """Ids, link targets, everything else that a page could load, and its text."""

    def __init__(self, page):
        super().__init__()
        self.ids, self.targets, self.loaded, self.text, self.open = [], [], [], "", []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.open += [] if tag in ("meta", "wbr", "br", "hr", "img", "link") else [tag]
        self.ids += [found["id"]] if "id" in found else []
        self.targets += [found["href"]] if tag == "a" else []
        self.loaded += [found["src"]] if "src" in found else []
        self.loaded += [found["href"]] if tag == "link" else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page():
    return Links(render_definitions())


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_whole_definition(metric):
    text = definition(metric)
    assert text.startswith(f"# {metric}\n")
    assert HEADING.findall(text) == list(SECTIONS)
    parts = HEADING.split(text)[2::2]
    assert all(part.strip() for part in parts)
    assert len(text.splitlines()) <= 45


@pytest.mark.parametrize("metric", METRICS)
def test_every_score_is_explained_by_its_id(metric):
    text = definition(metric)
    others = [score.id for score in metric_class(metric).scores if score.id != metric]
    assert [score for score in others if f"`{score}`" not in text] == []


@pytest.mark.parametrize("metric", METRICS)
def test_links_between_definitions_resolve(metric):
    targets = re.findall(r"\]\(([^)]+)\)", definition(metric))
    assert [target for target in targets if not (FOLDER / target).is_file()] == []


def test_every_definition_belongs_to_a_metric():
    assert {path.name for path in FOLDER.iterdir()} == {f"{metric}.md" for metric in METRICS}


def test_a_metric_from_elsewhere_has_no_definition():
    assert definition_link("another_metric") is None
    with pytest.raises(KeyError):
        definition("another_metric")


def test_the_index_lists_every_metric_with_its_summary():
    """The table of the documentation cannot drift from what the classes say."""
    rows = re.findall(r"^\| \[`(\w+)`\]\((.+?)\) \| (.*?) \| (.+) \|$", INDEX.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(row[0] for row in rows) == sorted(METRICS)
    for metric, target, _, words in rows:
        assert (INDEX.parent / target).resolve().name == f"{metric}.md"
        assert (INDEX.parent / target).is_file()
        assert words.replace("\\|", "|") == metric_class(metric).scores[0].summary


def test_the_page_has_an_anchor_and_all_scores_of_each_metric(page):
    assert set(METRICS) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert page.open == []
    for metric in METRICS:
        assert all(score.id in page.text for score in metric_class(metric).scores)


def test_the_page_links_to_itself_and_the_board_and_loads_nothing(page):
    assert {target for target in page.targets if not target.startswith("#")} == {"index.html"}
    assert {target[1:] for target in page.targets if target.startswith("#")} <= set(page.ids)
    assert page.loaded == []
    assert not re.search(r"https?://|@import|url\(", render_definitions())


def test_markdown_shows_as_it_was_meant(page):
    """Formulas keep their underscores, stars and bars."""
    assert "mean_{s ≠ s'} RMSD(x̂_s, x̂_s')" in page.text
    assert "| ln( rms deviation between samples / rms deviation of samples from the truth ) |" in page.text
    assert not {"**", "](", "`"} & set(re.findall(r"\*\*|\]\(|`", page.text))
    assert "<em>" not in "".join(to_html(definition(metric)) for metric in METRICS)


def test_html_in_a_definition_is_text():
    assert "<script>" not in to_html("# m\n\n<script>alert(1)</script> & [a](javascript:alert(1)) [b](ged.md)")
    assert 'href="#ged"' in to_html("# m\n\n[b](ged.md)")
    assert "javascript" not in re.sub(r">[^<]*<", "><", to_html("[a](javascript:alert(1))"))
    assert to_html("# m\n\n## Formula\n\nx") == "<h4>Formula</h4>\n<p>x</p>\n"


def test_columns_of_the_board_link_to_definitions(tmp_path, kit):
    kit.write_row(tmp_path, "m", kit.GOOD, kind="model")
    written = {path.name: path.read_text(encoding="utf-8") for path in write_report(tmp_path)}
    board, definitions = Links(written["index.html"]), Links(written[PAGE])
    found = {target for target in board.targets if not target.startswith("#")} - {PAGE}
    assert all(target.startswith(f"{PAGE}#") for target in found)
    assert {target.removeprefix(f"{PAGE}#") for target in found} <= set(definitions.ids)
    heads = re.findall(r'<th scope="col"[^>]*>.*?</th>', written["index.html"], re.DOTALL)
    for metric in kit.GOOD:
        assert any(f'href="{PAGE}#{metric}"' in head for head in heads)
