"""Presets as published: the page that needs no training, and combinations that are refused."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backmapbench.errors import CardError
from backmapbench.reference_models.temporal_cvae.facts import SWITCHES
from backmapbench.reference_models.temporal_cvae.fitting import PACKAGE
from backmapbench.reference_models.temporal_cvae.grid import Grid
from backmapbench.reference_models.temporal_cvae.published import PUBLISHED, largest_errors, text
from backmapbench.reference_models.temporal_cvae.settings import Preset
from backmapbench.reference_models.training import read_preset

PAGE = Path(__file__).parents[2] / "docs" / "models" / "temporal-cvae-paper" / "page.md"


@pytest.fixture(scope="module")
def page():
    return text()


def test_parameter_counts(page):
    counts = [int(count.replace(",", "")) for count in re.findall(r"parameters in all \| ([\d,]+) ", page)]
    assert counts == [1_241_654, 4_893_775]
    for count, published in zip(counts, PUBLISHED, strict=True):
        assert round(count / 1e6, 1) == published.millions


def test_every_switch_of_both_presets_is_told(page):
    for published in PUBLISHED:
        content = read_preset(PACKAGE, published.preset, Preset).model_dump()
        section = page.split(f"## {published.preset}: ")[1].split("\n## ")[0]
        for name, table, entry, words in SWITCHES:
            assert f"| {name} | {content[table][entry]} | {words} |" in section


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: published.preset)
def test_read_out_errors(published):
    """Below the bounds under 0.001 nm; beyond, the published one grows and the corrected one does not."""
    preset = read_preset(PACKAGE, published.preset, Preset)
    edge, voxel = Grid(preset.grid).edge_nm, preset.grid.width_nm / preset.grid.cells
    _, plain, corrected = largest_errors(preset, np.array([published.exact_nm, edge - voxel, edge])).T
    assert plain[0] < 1e-3
    assert 1e-2 < plain[1] < plain[2]
    assert (corrected[:2] < 1e-3).all()


def test_read_out_error_by_hand():
    """At the outermost point the density misses half of its sum: the mean is that of the cells inside."""
    preset = read_preset(PACKAGE, "adp-paper", Preset)
    centres = (np.arange(12) - 5.5) * 0.15
    weights = np.exp(-((0.825 - centres) ** 2) / 0.05398)
    expected = 0.825 - (weights @ centres) / weights.sum()
    assert largest_errors(preset, np.array([0.825]))[0, 1] == pytest.approx(expected, rel=1e-6)


def test_command_and_the_page_of_the_documentation(page, tmp_path):
    """The page in the documentation is what the command writes; to renew it, run the command it names."""
    command = re.search(r"`python (-m \S+) --output (\S+)`", page)
    path = tmp_path / command[2]
    arguments = [sys.executable, *command[1].split(), "--output", str(path)]
    subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert path.read_text(encoding="utf-8") == page
    assert PAGE.read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("adp-paper", "pairs.origin=beads", "set loss.recentred to false"),
        ("cln-small", "loss.recentred=true", "set loss.recentred to false"),
        ("adp-small", "pairs.origin=own", "set loss.recentred to true"),
    ],
)
def test_comparisons_about_two_origins_are_refused(name, change, match):
    with pytest.raises(CardError, match=match):
        read_preset(PACKAGE, name, Preset, (change,))
    both = ("pairs.origin=own", "loss.recentred=true")
    assert read_preset(PACKAGE, name, Preset, both).loss.recentred
