"""How often intervals contain the truth: a few cases by default, all of them with ``-m slow``."""

import math

import numpy as np
import pytest

from backmapbench.studies.cases import SAMPLINGS, all_cases
from backmapbench.studies.coverage import FAR, NEAR, PLAIN, Case, Coverage, measure, pooled, score
from backmapbench.studies.known import ChainTimescales, MeanDeviation, ShareDifference, Wasserstein
from backmapbench.studies.processes import Sampling

CASES = list(all_cases())
SHORT = Sampling(trajectories=8, frames=800, memory=5.0)


def named(part, paired):
    return next(case for case in CASES if part in case.name and case.paired == paired)


def margin(share, runs):
    """Three standard errors of a share of ``runs`` (%): what chance alone may do."""
    return 3 * math.sqrt(share * (100 - share) / runs)


def test_truths_are_those_of_endless_sampling():
    """Every case's exact answer against one long simulation, through the metric itself."""
    endless = Sampling(trajectories=60, frames=5000, memory=1.0)
    for case in CASES:
        value, *_ = score(case, case.simulate(np.random.default_rng(0), endless), endless, 20, 0)
        assert value == pytest.approx(case.truth, rel=0.06, abs=0.005), case.name


def test_every_kind_of_score_is_studied_paired_and_unpaired():
    for kind in ("W1", "share", "JSD", "FES", "timescales"):
        assert {case.paired for case in CASES if case.name.startswith(kind)} == {True, False}, kind
    assert {type(case.metric).__name__ for case in CASES} >= {"MeanDeviation", "ChainTimescales"}
    assert all(case.metric.distance for case in CASES if case.null is not None)


def test_the_oracle_of_a_paired_case_is_exactly_zero():
    for kind in ("W1", "share", "JSD", "FES"):
        case = named(kind, paired=True)
        reference, _ = case.simulate(np.random.default_rng(0), SHORT)
        assert score(case, (reference, reference), SHORT, 40, 0)[:3] == (0, 0, 0), kind


def test_means_hold_as_often_as_they_say():
    found = measure(named("mean", paired=True), SHORT, runs=300, replicates=120)
    assert found.blocks >= 50
    assert 93 - margin(95, 300) <= found.held <= 97 + margin(95, 300)


def test_upper_bounds_of_small_distances_hold():
    found = measure(named("share above 1, shifted by 0.1", paired=False), SHORT, runs=150, replicates=120)
    assert found.demand is NEAR
    assert found.upper_held >= 95 - margin(95, 150)


def test_large_distances_hold():
    found = measure(named("share above 1, shifted by 0.8", paired=False), SHORT, runs=150, replicates=120)
    assert found.demand is FAR
    assert 90 - margin(90, 150) <= found.held <= 100


def test_a_study_notices_intervals_that_are_too_narrow(monkeypatch):
    from backmapbench.studies import coverage

    honest = coverage.interval
    monkeypatch.setattr(
        coverage, "interval", lambda value, *rest: [value + 0.5 * (bound - value) for bound in honest(value, *rest)]
    )
    found = measure(named("mean", paired=True), SHORT, runs=100, replicates=120)
    assert found.held < 90


def test_the_pooled_table_weighs_cases_by_their_runs():
    def made(runs, held, truth, null):
        case = Case("x", MeanDeviation(), lambda rng, sampling: None, truth, paired=True, null=null)
        return Coverage(case, runs, floor=1.0, blocks=60.0, held=held, upper_held=99.0)

    def anything(rng, sampling):
        return None

    found = {
        demand: (share, worst)
        for demand, share, _, worst in pooled(
            [made(100, 94.0, 5.0, None), made(300, 98.0, 5.0, None), made(10, 91.0, 3.0, anything)]
        )
    }
    assert found == {PLAIN: (97.0, 98.0), FAR: (91.0, 91.0)}


@pytest.mark.parametrize("metric", [ShareDifference(0.0), Wasserstein(), ChainTimescales(2)])
def test_known_metrics_belong_to_studies_alone(metric):
    with pytest.raises(TypeError, match="known processes"):
        metric.fit(None)


@pytest.mark.slow
@pytest.mark.parametrize("title", SAMPLINGS)
def test_every_case_holds_as_often_as_asked(title):
    """All cases, 150 runs each: single ones within three standard errors, kinds together within two of their own."""
    found = [measure(case, SAMPLINGS[title], runs=150, replicates=200) for case in CASES]
    for each in found:
        assert each.blocks >= 50, each.line
        assert each.demand.low - margin(each.demand.low, 150) <= each.share, each.line
        assert each.share <= each.demand.high + margin(min(each.demand.high, 99.5), 150), each.line
    for demand, share, error, _ in pooled(found):
        assert demand.low - 2 * error <= share <= demand.high + 2 * error, (demand.name, share, error)
