"""A property: whatever servers do, in whatever order, the cache ends with the right bytes or one clear error."""

import itertools
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backmapbench.datasets.download.fetch import Store, fetch_file
from backmapbench.datasets.download.policy import Policy
from backmapbench.errors import DownloadError

ATTEMPTS = 3
CASES = 150
SIZES = (0, 1, 999, 70_000)
COUNTER = itertools.count()

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
        "data": random.Random(draw(st.integers(0, 9))).randbytes(draw(st.sampled_from(SIZES))),
        "hashed": hashed,
        "sized": draw(st.booleans()),
        "ranges": draw(st.booleans()),
        "tags": draw(st.booleans()),
        "first": draw(st.lists(faults, max_size=6)),
        "second": draw(st.lists(faults, max_size=6)),
    }


@given(situation=situations())
@settings(max_examples=CASES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_right_bytes_or_one_clear_error(situation, web, mirror, item, clean, tmp_path):
    data = situation["data"]
    for (site, _), name in ((web, "first"), (mirror, "second")):
        site.files, site.faults = {"/data.bin": data}, {"/data.bin": list(situation[name])}
        site.ranges, site.tags, site.asked = situation["ranges"], situation["tags"], []
    wanted = item(web[1], mirror[1], data=data, hashed=situation["hashed"], sized=situation["sized"])
    policy = Policy(attempts=ATTEMPTS, pause=lambda _: None)
    store = Store(tmp_path / f"{next(COUNTER)}", policy=policy)
    try:
        assert fetch_file(store, wanted).read_bytes() == data
    except DownloadError as error:
        assert "\n" not in str(error)
        assert "data.bin: not downloaded (" in str(error)
        assert not clean(store, data)
        faults = [*situation["first"], *situation["second"]]
        assert len(faults) >= ATTEMPTS or any(fault[0] == "status" and fault[1] < 429 for fault in faults)
    assert (store.folder / "data.bin").exists() == clean(store, data)
    # Whatever was left behind must not be in the way of the next attempt, when the servers are well again.
    for site, _ in (web, mirror):
        site.faults.clear()
    assert fetch_file(store, wanted).read_bytes() == data
    assert clean(store, data)
    assert not list((store.folder / ".work").glob("*.part*"))
