"""Claims about what training costs, held to what weights say of their trainings."""

import pytest
import tomli_w

from backmapbench.errors import CardError, UnknownNameError
from backmapbench.studies.claims.spans import CANNOT_TELL, NOT_UPHELD, UPHELD
from backmapbench.studies.claims.verdicts import judge

TASK = "nls-mini-ucg-8"
RIVAL = f"c/{TASK}-1.toml"
HARDWARE = {"machine": "x", "threads": 1, "processor": "p", "accelerator": "cpu"}
TRAINING = {
    "kind": "training",
    "label": "l",
    "row": "chain",
    "tasks": [TASK],
    "stages": [{"files": "a/*.toml", "command": "chain -t {task} "}, {"files": "b/*.toml"}],
    "rival": {"files": "c/{task}-*.toml"},
    "quantities": ["peak_memory_mb"],
    "spread": 1.1,
    "spread_why": "So it was measured.",
}


@pytest.fixture
def cost(claims_kit, tmp_path):
    """The judged claim of a check of training costs on weight files, given as name -> how they were trained."""

    def find(weights, **changes):
        for name, course in weights.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            said = {"command": f"train chain -t {TASK} --seed 0"} | HARDWARE | course
            said = {key: value for key, value in said.items() if value is not None}
            path.write_text(tomli_w.dumps({"content": {"training": said}}), encoding="utf-8")
        evidence = claims_kit.evidence({}, weights=tmp_path)
        (judged,) = judge(claims_kit.paper(TRAINING | changes), evidence).judged
        return judged

    return find


def memory(first, second, rival):
    values = {"a/1.toml": first, "b/1.toml": second, RIVAL: rival}
    return {name: {"peak_memory_mb": value} for name, value in values.items()}


@pytest.mark.parametrize(("rival", "expected"), [(200.0, UPHELD), (65.0, CANNOT_TELL), (40.0, NOT_UPHELD)])
def test_the_largest_stage_is_held_against_one_step(cost, rival, expected):
    judged = cost(memory(30.0, 60.0, rival))
    assert judged.verdict == expected
    assert judged.checked[0].note == "So it was measured."


def test_what_differs_by_less_than_measurements_do_cannot_be_told(cost):
    judged = cost(memory(30.0, 60.0, 200.0), spread=2.0)
    assert judged.verdict == CANNOT_TELL
    assert "alike within the factor of 2 between measurements of one and the same training" in judged.reasons[0]


def test_time_is_that_of_a_step(cost):
    weights = {
        "a/1.toml": {"seconds": 30.0, "steps": 10},
        "b/1.toml": {"seconds": 60.0, "steps": 30},
        RIVAL: {"seconds": 40.0, "steps": 10},
    }
    assert cost(weights, quantities=["seconds_per_step"]).verdict == UPHELD


def test_stages_and_rival_are_those_of_the_task(cost):
    weights = memory(30.0, 60.0, 200.0)
    weights["a/2.toml"] = {"peak_memory_mb": 999.0, "command": f"train chain -t {TASK}0 --seed 0"}
    weights["c/another-1.toml"] = {"peak_memory_mb": 1.0}
    assert cost(weights).verdict == UPHELD


def test_several_weights_span_what_they_took(cost):
    assert cost(memory(30.0, 60.0, 200.0) | {"b/2.toml": {"peak_memory_mb": 250.0}}).verdict == CANNOT_TELL


@pytest.mark.parametrize("name", ["processor", "accelerator", "machine", "threads"])
def test_different_hardware_cannot_be_compared(cost, name):
    weights = memory(30.0, 60.0, 200.0)
    weights[RIVAL][name] = "y"
    judged = cost(weights)
    assert judged.verdict == CANNOT_TELL
    assert f"trained on different hardware: {name} {HARDWARE[name]}; y" in judged.reasons[0]


def test_hardware_that_is_not_said_is_unknown(cost):
    weights = memory(30.0, 60.0, 200.0)
    weights["b/1.toml"]["processor"] = None
    judged = cost(weights)
    assert judged.verdict == CANNOT_TELL
    assert "trained on unknown hardware: 1 of 3 weights do not say on which" in judged.reasons[0]
    weights["b/1.toml"]["accelerator"] = None
    weights["b/1.toml"]["processor"] = "p"
    assert cost(weights).verdict == UPHELD


def test_training_that_is_not_told_of_leaves_it_open(cost, tmp_path):
    weights = memory(30.0, 60.0, 200.0)
    rival = weights.pop(RIVAL)
    assert cost(weights).reasons == [f"no delivered weights match c/{TASK}-*.toml"]
    judged = cost({RIVAL: rival}, quantities=["seconds_per_step"])
    assert judged.verdict == CANNOT_TELL
    assert judged.reasons == ["delivered weights do not say what their training took in time"]
    (tmp_path / RIVAL).write_text("= broken", encoding="utf-8")
    with pytest.raises(CardError, match=r"1\.toml: not readable as the description of weights"):
        cost({})


@pytest.mark.parametrize(("change", "hint"), [({"row": "cgvae-2setp"}, "cgvae-2step"), ({"tasks": ["nls-mini"]}, TASK)])
def test_names_in_a_check_of_training_costs_have_to_exist_too(claims_kit, change, hint):
    with pytest.raises(UnknownNameError, match=rf"did you mean .*{hint}"):
        judge(claims_kit.paper(TRAINING | change), claims_kit.evidence({}))
