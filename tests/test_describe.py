"""The page of a dataset: it shows what the data hold, and the same data give the same page."""

import re

from backmapbench.describe import describe


def test_the_page_shows_card_splits_and_pictures(tmp_path):
    page = describe("adp-mini", tmp_path / "adp.html").read_text(encoding="utf-8")
    for title in ("Ramachandran map", "Radius of gyration", "Potential energy", "Beads of adp-mini-temporal"):
        assert title in page
    assert "22 (10)" in page  # atoms, heavy atoms
    assert re.findall(r"<td>(train|validation|test|fresh)</td>", page) == ["test", "fresh", "train", "validation"]
    assert page.count("<svg") == 4
    assert "TICA" not in page  # alanine dipeptide has one CA
