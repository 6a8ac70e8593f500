from backmapbench.board.checks import check, suspected_leaks
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


def test_closer_than_the_conditional_mean_is_a_leak(tmp_path, kit):
    kit.write_controls(tmp_path)
    kit.write_row(tmp_path, "conditional-md", {"rmsd_angstrom": 0.6}, kind="control")
    kit.write_row(tmp_path, "fine", kit.GOOD | {"rmsd_angstrom": 0.5}, kind="model")
    assert texts(tmp_path) == []
    kit.write_row(tmp_path, "cheat", kit.GOOD | {"rmsd_angstrom": 0.2}, kind="model")
    (text,) = texts(tmp_path)
    assert "cheat" in text
    assert "conditional MD" in text


def test_far_below_a_floor_whose_interval_reaches_zero_is_a_leak(tmp_path, kit):
    kit.write_controls(tmp_path)
    board = collect(tmp_path)[0]
    fresh = board.row("fresh-md")
    wide = fresh.cells["energy_w1_kt"].__class__(**(vars(fresh.cells["energy_w1_kt"]) | {"low": 0.0}))
    fresh.cells["energy_w1_kt"] = wide
    kit.write_row(tmp_path, "cheat", kit.GOOD | {"energy_w1_kt": 0.001}, kind="model")
    cheat = collect(tmp_path)[0].row("cheat")
    accused = type(board)(board.task, board.version, board.scores, (*board.rows, cheat))
    assert any("cheat" in text for text in suspected_leaks(accused))


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
