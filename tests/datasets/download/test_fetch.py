"""Every fault of the network ends in the right bytes or one clear error, never in a bad file in the cache."""

import io
import itertools
import json

import numpy as np
import pytest

from backmapbench.datasets.download.fetch import Store, fetch_file
from backmapbench.datasets.download.policy import Policy, TransientError
from backmapbench.datasets.download.transfer import Watch
from backmapbench.errors import DownloadError

DATA = np.random.default_rng(1).bytes(50_000)
OTHER = np.random.default_rng(2).bytes(50_000)
TENTHS = [len(DATA) * tenth // 10 for tenth in range(11)]


def test_a_whole_file(web, store, item, clean):
    site, address = web
    site.files["/data.bin"] = DATA
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA
    assert clean(store, DATA)
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA
    assert len(site.asked) == 1  # the second time nothing is asked


def test_cut_at_every_tenth_by_every_kind_of_server(web, fresh, item, clean):
    site, address = web
    cases = 0
    servers = [*itertools.product((True, False), (True, False), ("cut",)), (True, True, "chunked-cut")]
    for cut, hashed, (ranges, tags, kind) in itertools.product(TENTHS, (True, False), servers):
        site.files = {"/data.bin": DATA}
        site.faults = {"/data.bin": [(kind, cut)]}
        site.ranges, site.tags, site.asked = ranges, tags, []
        store = fresh()
        assert fetch_file(store, item(address, data=DATA, hashed=hashed)).read_bytes() == DATA
        assert clean(store, DATA)
        if ranges and 0 < cut < len(DATA) and (hashed or tags):
            assert site.asked[1][1] == f"bytes={cut}-", "the second request asks for the rest only"
        cases += 1
    assert cases == 110


def test_cut_again_and_again_still_arrives(web, store, item, waits):
    site, address = web
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("cut", cut) for cut in TENTHS[1:-1]]
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA
    assert len(site.asked) == 10  # nine cuts are more than the attempts: progress counts them anew
    assert len(waits) == 9


def test_a_server_without_ranges_that_always_cuts_is_given_up(web, store, item, clean):
    site, address = web
    site.files["/data.bin"] = DATA
    site.ranges = False
    site.faults["/data.bin"] = [("always",), ("cut", 30_000)]
    with pytest.raises(DownloadError, match=r"cut off after 30000 bytes .*, 3 times in a row"):
        fetch_file(store, item(address, data=DATA))
    assert not clean(store, DATA)
    assert len(site.asked) == 3


@pytest.mark.parametrize("status", [403, 404, 410, 401])
def test_refusals_are_not_repeated_and_the_next_mirror_is_tried(web, mirror, store, item, status):
    site, address = web
    other, second = mirror
    site.files["/data.bin"] = other.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("status", status)]
    assert fetch_file(store, item(address, second, data=DATA)).read_bytes() == DATA
    assert (len(site.asked), len(other.asked)) == (1, 1)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_errors_that_pass_are_waited_for(web, store, item, waits, status):
    site, address = web
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("status", status), ("status", status)]
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA
    assert 0.5 <= waits[0] <= 1.0 <= waits[1] <= 2.0


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(web, store, item, waits, status):
    site, address = web
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("status", status, ("Retry-After", "77"))]
    fetch_file(store, item(address, data=DATA))
    assert waits == [77.0]


def test_a_server_that_asks_for_too_much_patience_is_left(web, store, item, waits):
    site, address = web
    site.faults["/data.bin"] = [("status", 503, ("Retry-After", "86400"))]
    with pytest.raises(DownloadError, match=r"asks to come back in 86400 s"):
        fetch_file(store, item(address, data=DATA))
    assert waits == []


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_an_error_that_stays_is_one_clear_line(web, mirror, store, item, clean, status):
    (site, address), (other, second) = web, mirror
    for one in (site, other):
        one.faults["/data.bin"] = [("always",), ("status", status)]
    with pytest.raises(
        DownloadError, match=rf"data.bin: not downloaded.*answers {status}.*answers {status}.*--mirror"
    ) as hit:
        fetch_file(store, item(address, second, data=DATA))
    assert "\n" not in str(hit.value)
    assert not clean(store, DATA)


@pytest.mark.parametrize("kind", ["wrong", "longer", "shorter"])
@pytest.mark.parametrize("sized", [True, False])
def test_wrong_bytes_once_are_fetched_again(web, mirror, store, item, clean, kind, sized):
    (site, address), (other, second) = web, mirror
    site.files["/data.bin"] = other.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [(kind,)]
    assert fetch_file(store, item(address, second, data=DATA, sized=sized)).read_bytes() == DATA
    assert clean(store, DATA)


@pytest.mark.parametrize("kind", ["wrong", "longer", "shorter"])
def test_wrong_bytes_always_are_refused_and_leave_nothing(web, store, item, clean, kind):
    site, address = web
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("always",), (kind,)]
    with pytest.raises(DownloadError, match=r"delivers bytes whose hash is not sha256:"):
        fetch_file(store, item(address, data=DATA))
    assert not clean(store, DATA)
    with pytest.raises(DownloadError, match=r"offers 5000\d bytes, the file has 50000|49997|delivers bytes whose hash"):
        fetch_file(store, item(address, data=DATA, sized=True))


@pytest.mark.parametrize("kind", ["longer", "shorter"])
def test_a_size_alone_catches_wrong_lengths(web, store, item, clean, kind):
    site, address = web
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("always",), (kind,)]
    with pytest.raises(DownloadError, match=r"offers \d+ bytes, the file has 50000"):
        fetch_file(store, item(address, data=DATA, sized=True, hashed=False))
    assert not clean(store, DATA)


def test_redirects_are_followed_and_loops_are_not(web, mirror, store, fresh, item):
    (site, address), (other, second) = web, mirror
    other.files["/elsewhere"] = DATA
    site.faults["/data.bin"] = [("redirect", f"{second}/elsewhere")]
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA
    site.faults["/data.bin"] = [("always",), ("redirect", f"{address}/data.bin")]
    with pytest.raises(DownloadError, match="redirects more than 10 times"):
        fetch_file(fresh(), item(address, data=DATA))


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://127.0.0.1:99999/", "ftp://127.0.0.1/x"]
)
def test_redirects_to_other_schemes_are_refused(web, store, item, clean, target):
    site, address = web
    site.faults["/data.bin"] = [("redirect", target)]
    with pytest.raises(DownloadError, match="an address that cannot be used"):
        fetch_file(store, item(address, data=DATA))
    assert not clean(store, DATA)


@pytest.mark.parametrize("at", [0, 20_000])
def test_a_stalled_connection_is_a_cut(web, tmp_path, item, at):
    # A busy machine may be slow enough for more timeouts than the one that is meant: hence many attempts.
    store = Store(tmp_path / "cache", policy=Policy(attempts=30, read_s=0.2, pause=lambda _: None))
    site, address = web
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("stall", at)]
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA
    assert len(site.asked) >= 2


def test_a_connection_closed_without_an_answer(web, store, item):
    site, address = web
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("close",), ("close",)]
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA


def test_a_trickle_is_given_up():
    ticks = itertools.count(step=10.0)
    watch = Watch("data.bin", Policy(slow_s=60.0, slow_bytes_per_s=100.0), clock=lambda: next(ticks))
    watch.start()

    def trickle():
        while True:
            watch.write(sink, b"x", None)

    sink = io.BytesIO()
    with pytest.raises(TransientError, match="only 7 bytes in 70 s"):
        trickle()


@pytest.mark.parametrize("hashed", [True, False])
def test_a_file_that_changes_between_two_requests_is_never_mixed(web, store, item, clean, hashed):
    site, address = web
    site.files["/data.bin"] = OTHER
    site.faults["/data.bin"] = [("cut", 20_000), ("change", DATA)]
    assert fetch_file(store, item(address, data=DATA, hashed=hashed)).read_bytes() == DATA
    assert clean(store, DATA)
    assert site.asked[1][1] == "bytes=20000-"


def test_a_changed_file_without_tags_is_caught_by_the_hash(web, store, item, clean):
    site, address = web
    site.tags = False
    site.files["/data.bin"] = OTHER
    site.faults["/data.bin"] = [("cut", 20_000), ("change", DATA)]
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA  # mixed, refused, fetched from the start
    assert [asked[1] for asked in site.asked] == [None, "bytes=20000-", None]
    assert clean(store, DATA)


def test_without_tags_or_a_hash_a_cut_file_begins_anew(web, store, item):
    site, address = web
    site.tags = False
    site.files["/data.bin"] = OTHER
    site.faults["/data.bin"] = [("cut", 20_000), ("change", DATA)]
    assert fetch_file(store, item(address, data=DATA, hashed=False)).read_bytes() == DATA
    assert [asked[1] for asked in site.asked] == [None, None]


def test_a_server_that_answers_with_another_range(web, store, item):
    site, address = web
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("cut", 20_000), ("wrong-range",)]
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA


def test_bytes_of_one_mirror_are_continued_from_another_only_with_a_hash(web, mirror, fresh, item):
    (site, address), (other, second) = web, mirror
    for hashed, asked in ((True, "bytes=20000-"), (False, None)):
        site.files["/data.bin"] = other.files["/data.bin"] = DATA
        site.faults["/data.bin"] = [("cut", 20_000), ("status", 404)]
        other.asked.clear()
        assert fetch_file(fresh(), item(address, second, data=DATA, hashed=hashed)).read_bytes() == DATA
        assert other.asked[0][1] == asked


def test_no_end_and_nothing_known_is_refused(web, store, item, fresh):
    site, address = web
    site.files["/data.bin"] = DATA
    site.lengths = False
    with pytest.raises(DownloadError, match="no end could be told"):
        fetch_file(store, item(address, data=DATA, hashed=False))
    assert fetch_file(fresh(), item(address, data=DATA)).read_bytes() == DATA
    assert fetch_file(fresh(), item(address, data=DATA, hashed=False, sized=True)).read_bytes() == DATA


def test_a_page_instead_of_a_file_is_not_trusted(web, store, item, clean):
    site, address = web
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("html",)]
    with pytest.raises(DownloadError, match="a web page instead of the file"):
        fetch_file(store, item(address, data=DATA, hashed=False))
    assert not clean(store, DATA)


def test_the_first_download_is_trusted_and_a_later_change_is_an_error(web, store, item, clean):
    site, address = web
    site.files["/data.bin"] = DATA
    path = fetch_file(store, item(address, data=DATA, hashed=False))
    entry = json.loads((store.folder / "hashes.json").read_text())["data.bin"]
    assert (entry["bytes"], entry["origin"]) == (len(DATA), f"{address}/data.bin")
    path.write_bytes(OTHER)  # damaged on disk: fetched again
    assert fetch_file(store, item(address, data=DATA, hashed=False)).read_bytes() == DATA
    path.unlink()
    site.files["/data.bin"] = OTHER
    with pytest.raises(
        DownloadError, match=r"other bytes than those trusted on .*changed or tampered with.*hashes\.json"
    ):
        fetch_file(store, item(address, data=DATA, hashed=False))
    assert not clean(store, DATA)
