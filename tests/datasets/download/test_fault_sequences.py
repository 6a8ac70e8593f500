"""A property: whatever servers do, in whatever order, the cache ends with the right bytes or one clear error."""

import itertools
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backmapbench.datasets.download.fetch import Store, fetch_file
from backmapbench.datasets.download.policy import Policy
from backmapbench.errors import DownloadError

ATTEMPTS = 3
SIZES = (0, 1, 999, 70_000)

cuts = st.integers(0, max(SIZES))
harmless = st.one_of(
    st.tuples(st.sampled_from(["cut", "chunked-cut"]), cuts),
    st.tuples(st.just("status"), st.sampled_from([429, 500, 502, 503, 504])),
    st.sampled_from([("close",), ("no-range",), ("chunked",), ("none",), ("wrong-range",)]),
)
refusals = st.tuples(st.just("status"), st.sampled_from([403, 404, 410]))
# Without a hash or a size nobody could tell these from the truth.
lies = st.sampled_from([("wrong",), ("longer",), ("shorter",)])


@st.composite
def situations(draw):
    hashed = draw(st.booleans())
    faults = st.one_of(harmless, refusals, *([lies] if hashed else []))
    return {
        "data": np.random.default_rng(draw(st.integers(0, 9))).bytes(draw(st.sampled_from(SIZES))),
        "hashed": hashed,
        "sized": draw(st.booleans()),
        "ranges": draw(st.booleans()),
        "tags": draw(st.booleans()),
        "first": draw(st.lists(faults, max_size=6)),
        "second": draw(st.lists(faults, max_size=6)),
    }


def first_try(store, wanted):
    """None, or the one error."""
    try:
        fetch_file(store, wanted)
    except DownloadError as error:
        return str(error)
    return None


@pytest.mark.parametrize("cases", [100, pytest.param(3000, marks=pytest.mark.slow)])
def test_right_bytes_or_one_clear_error(cases, web, mirror, item, clean, tmp_path, record_property):
    tally = Counter()
    numbers = itertools.count()

    @given(situation=situations())
    @settings(max_examples=cases, deadline=None, suppress_health_check=list(HealthCheck))
    def every(situation):
        data = situation["data"]
        for (site, _), name in ((web, "first"), (mirror, "second")):
            site.files, site.faults = {"/data.bin": data}, {"/data.bin": list(situation[name])}
            site.ranges, site.tags, site.asked = situation["ranges"], situation["tags"], []
        wanted = item(web[1], mirror[1], data=data, hashed=situation["hashed"], sized=situation["sized"])
        store = Store(tmp_path / f"{next(numbers)}", policy=Policy(attempts=ATTEMPTS, pause=lambda _: None))
        error = first_try(store, wanted)
        assert (error is None) == clean(store, data)
        if error is not None:
            assert "\n" not in error
            assert "data.bin: not downloaded (" in error
            faults = [*situation["first"], *situation["second"]]
            refused = any(fault[0] == "status" and fault[1] < 429 for fault in faults)
            lengths = situation["sized"] and any(fault[0] in {"longer", "shorter"} for fault in faults)
            assert len(faults) >= ATTEMPTS or refused or lengths
        tally.update(["cases", "errors" if error else "right bytes"])
        tally["requests"] += len(web[0].asked) + len(mirror[0].asked)
        # Whatever was left behind must not be in the way of the next attempt, when the servers are well again.
        for site, _ in (web, mirror):
            site.faults.clear()
        assert fetch_file(store, wanted).read_bytes() == data
        assert clean(store, data)
        assert not list((store.folder / ".work").glob("*.part*"))

    every()
    record_property("tally", dict(tally))
    sys.stdout.write(f"{dict(tally)}\n")
    assert tally["cases"] >= cases
    assert tally["errors"] > cases / 50
    assert tally["right bytes"] > cases / 4
