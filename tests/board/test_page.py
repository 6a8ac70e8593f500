import json
import re
from html.parser import HTMLParser

import pytest

from backmapbench.board import write_report

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'
VOID = {"meta", "br", "wbr", "img", "image", "use", "path", "link", "input", "hr"}


class Reader(HTMLParser):
    """Tables as lists of rows of cell texts, all tags with their attributes, and whether tags nest."""

    def __init__(self):
        super().__init__()
        self.tables, self.tags, self.open, self.texts = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def page(folder, tmp_path_factory):
    written = write_report(folder, tmp_path_factory.mktemp("report"))
    assert [path.name for path in written] == ["index.html", "definitions.html", "board.md", "board.csv", "board.json"]
    return written[0].read_text(encoding="utf-8")


def test_tables_are_whole_without_javascript(page):
    structure = read(page).tables[0]
    rows = {re.sub(r"\s+", " ", row[0]).strip(): row for row in structure}
    assert {"good", "broken", "oracle", "jitter-0.3", "Models", "Controls"} <= set(rows)
    assert "0.42" in rows["good"][1]
    assert "[0.3" in rows["good"][1]
    assert "rank" in rows["good"][1]
    assert "no pair" in rows["fresh-md"][1]
    assert "undefined" in rows["broken"][1]
    assert len({len(row) for name, row in rows.items() if name not in ("Models", "Controls")}) == 1


def test_nothing_is_loaded_from_anywhere(page):
    assert not re.search(r"https?://", page)
    for tag, attributes in read(page).tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "data", "action"):
            target = attributes.get(name) or ""
            assert target == "" or target.startswith(("#", "data:image/png;base64,", "definitions.html"))
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_anchors_and_ids_fit(page):
    tags = read(page).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for tag, attributes in tags if tag == "a"}
    targets = {link[1:] for link in links if not link.startswith("definitions.html")}
    assert targets
    assert targets <= set(ids)


def test_reasons_are_text_on_the_page(page):
    text = re.sub(r"\s+", " ", "".join(read(page).texts))
    assert "fes_rmse_kt: Fixed by the input: placing every atom on its bead scores the same" in text
    assert "broken, energy_w1_kt: ValueError: <b>no</b> & such energy" in text
    assert "What energy_w1_kt says." in text
    assert "abc123" in text
    assert "2.5e" not in text
    assert "25 µs" in text


def test_headers_say_how_they_are_sorted(page):
    headers = [attributes for tag, attributes in read(page).tags if tag == "th" and "aria-sort" in attributes]
    assert headers
    assert {header["aria-sort"] for header in headers} == {"none"}
    assert "aria-sort" in page[page.index("<script>") :]


def test_pictures_have_descriptions_and_follow_the_colour_scheme(page):
    pictures = [attributes for tag, attributes in read(page).tags if tag == "svg"]
    assert len(pictures) == page.count("<figure>") > 3
    assert all(len(picture["aria-label"]) > 30 for picture in pictures)
    assert "#010203" not in page
    assert "currentColor" in page
    assert len(page) < 3_000_000


def test_the_page_is_the_same_each_time(tmp_path, kit):
    kit.write_row(tmp_path, "m", kit.GOOD, kind="model", plotted=True)
    first, second = (write_report(tmp_path)[0].read_text(encoding="utf-8") for _ in range(2))
    assert first == second


def test_skill_is_a_table_and_data_that_the_reader_may_weigh(page):
    """The composite is made when the page is shown: weights are inputs that the script adds, and none are stored."""
    reader = read(page)
    skills = next(table for table in reader.tables if any("Composite" in cell for cell in table[0]))
    rows = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in skills}
    assert rows["oracle"][0] == "1.00"
    energy = next(index for index, head in enumerate(skills[0]) if "Energy" in head)
    assert rows["jitter-0.3"][energy - 1] == "0.00"
    assert rows["broken"][energy - 1] == "-1.00"
    (data,) = (
        json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    )
    assert "energy_w1_kt" in data["columns"]
    assert len(data["labels"]) == len(data["columns"])
    good = next(row for row in data["rows"] if row["name"] == "good")
    assert [f"{skill:.2f}" for skill in good["skills"]] == rows["good"][1:]
    assert 'type: "number"' in page


def test_ties_are_marked_and_named(page):
    badges = [dict(attributes) for tag, attributes in read(page).tags if tag == "b" and "title" in attributes]
    titles = {badge["title"] for badge in badges}
    assert "rank 1, tied with mirror" in titles
    assert "rank 1, tied with shuffled" in titles
    assert "</span>=1</b>" in page


def test_rows_with_few_blocks_are_marked(tmp_path, kit):
    kit.write_row(tmp_path, "short", kit.GOOD, kind="model", blocks=8)
    kit.write_row(tmp_path, "long", kit.GOOD, kind="model")
    page = write_report(tmp_path)[0].read_text(encoding="utf-8")
    assert 'short<abbr title="8 independent blocks' in page
    assert "long<abbr" not in page


def test_what_records_say_is_only_text(tmp_path, kit):
    hostile = {"description": HOSTILE, "citation": HOSTILE, "licence": HOSTILE, "origin": HOSTILE}
    kit.write_controls(tmp_path)
    kit.write_row(
        tmp_path,
        "<b>bold",
        {"rmsd_angstrom": 0.1},
        kind="model",
        failed={"energy_w1_kt": HOSTILE},
        provenance={HOSTILE: {HOSTILE: HOSTILE}},
        **hostile,
    )
    page = write_report(tmp_path)[0].read_text(encoding="utf-8")
    reader = read(page)
    assert sum(tag == "script" and "type" not in attributes for tag, attributes in reader.tags) == 1
    assert not any(tag in ("img", "b") and "onerror" in attributes for tag, attributes in reader.tags)
    assert HOSTILE in "".join(reader.texts)


def test_warnings_stand_above_the_tables(tmp_path, kit):
    kit.write_row(tmp_path, "m", kit.GOOD, kind="model", blocks=3)
    page = write_report(tmp_path)[0].read_text(encoding="utf-8")
    assert 0 < page.index("Control rows missing") < page.index("<table")
    assert page.index("3 independent blocks") < page.index("<table")


def test_reports_go_beside_the_records_by_default(tmp_path, kit):
    kit.write_row(tmp_path, "m", kit.GOOD, kind="model")
    assert {path.parent for path in write_report(tmp_path)} == {tmp_path}
