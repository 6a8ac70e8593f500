from backmapbench.board.checks import check
from backmapbench.board.rows import collect


def texts(folder, level="warning"):
    return [notice.text for notice in check(collect(folder)[0]) if notice.level == level]


def test_a_sound_board_has_nothing_to_say(tmp_path, kit):
    kit.write_controls(tmp_path)
    kit.write_row(tmp_path, "good", kit.GOOD, kind="model")
    assert check(collect(tmp_path)[0]) == []


def test_a_model_below_independent_md_is_a_suspected_leak(tmp_path, kit):
    kit.write_controls(tmp_path)
    kit.write_row(tmp_path, "cheat", kit.GOOD | {"energy_w1_kt": 0.01}, kind="model")
    (text,) = texts(tmp_path)
    assert "Suspected leak: cheat" in text
    assert "energy_w1_kt" in text
    assert "0.0100 [0.0085, 0.0110]" in text
    assert "0.200 [0.173, 0.221]" in text


def test_overlapping_intervals_are_no_leak(tmp_path, kit):
    kit.write_controls(tmp_path)
    kit.write_row(tmp_path, "fine", kit.GOOD | {"energy_w1_kt": 0.19}, kind="model")
    assert texts(tmp_path) == []


def test_controls_are_never_leaks(tmp_path, kit):
    """Mirror and shuffled reuse the test frames and lie at 0."""
    kit.write_controls(tmp_path)
    assert texts(tmp_path) == []


def test_a_leak_in_bond_lengths_is_found_too(tmp_path, kit):
    kit.write_controls(tmp_path)
    kit.write_row(tmp_path, "cheat", kit.GOOD | {"bond_length_w1_angstrom": 1e-4}, kind="model")
    assert "bond_length_w1_angstrom" in texts(tmp_path)[0]


def test_an_oracle_above_zero_is_an_error(tmp_path, kit):
    kit.write_controls(tmp_path, velocity_w1=(1e-12, 0.001, 0.02, 0.01, 0.08, 0.001, 0.002, 0.01, 0.03))
    (text,) = texts(tmp_path, "error")
    assert "velocity_w1" in text
    assert "1e-12 instead of exactly 0" in text


def test_an_oracle_that_fails_is_an_error(tmp_path, kit):
    kit.write_controls(tmp_path, without=("oracle",))
    kit.write_row(tmp_path, "oracle", {"rmsd_angstrom": 0.0}, failed={"energy_w1_kt": "no platform"})
    (text,) = texts(tmp_path, "error")
    assert "no platform" in text


def test_few_blocks_are_marked(tmp_path, kit):
    kit.write_controls(tmp_path)
    kit.write_row(tmp_path, "short", kit.GOOD, kind="model", blocks=8)
    assert "independent blocks, so intervals are rough: short (8)" in texts(tmp_path)[0]


def test_few_blocks_everywhere_are_said_once(tmp_path, kit):
    kit.write_row(tmp_path, "a", kit.GOOD, kind="model", blocks=8)
    kit.write_row(tmp_path, "b", kit.GOOD, kind="model", blocks=8)
    assert "The test split has 8 independent blocks" in texts(tmp_path)[0]


def test_missing_controls_are_named(tmp_path, kit):
    kit.write_controls(tmp_path, without=("fresh-md",))
    (text,) = texts(tmp_path)
    assert "Control rows missing: fresh-md." in text
