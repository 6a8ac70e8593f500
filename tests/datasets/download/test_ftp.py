"""The same over FTP."""

import numpy as np
import pytest

from backmapbench.datasets.download.fetch import Item, Store, fetch_file
from backmapbench.datasets.download.policy import Policy
from backmapbench.errors import DownloadError

DATA = np.random.default_rng(1).bytes(50_000)
TENTHS = [len(DATA) * tenth // 10 for tenth in range(11)]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("hashed", [True, False])
def test_cut_at_every_tenth(ftp, fresh, item, clean, ranges, hashed):
    site, address = ftp
    for cut in TENTHS:
        site.files, site.faults = {"/data.bin": DATA}, {"/data.bin": [("cut", cut)]}
        site.ranges, site.asked = ranges, []
        store = fresh()
        assert fetch_file(store, item(address, data=DATA, hashed=hashed)).read_bytes() == DATA
        assert clean(store, DATA)
        if 0 < cut < len(DATA):
            assert site.asked[-1][1] == (cut if ranges else 0)


def test_a_file_that_is_not_there_and_one_that_is_busy(ftp, store, item):
    site, address = ftp
    with pytest.raises(DownloadError, match="answers '550 no such file'"):
        fetch_file(store, item(address, data=DATA))
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("status", 450), ("status", 426)]
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA


def test_wrong_bytes(ftp, store, item, clean):
    site, address = ftp
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("always",), ("wrong",)]
    with pytest.raises(DownloadError, match="delivers bytes whose hash is not"):
        fetch_file(store, item(address, data=DATA))
    assert not clean(store, DATA)


def test_another_size(ftp, store, clean):
    site, address = ftp
    site.files["/data.bin"] = DATA
    with pytest.raises(DownloadError, match="offers 50000 bytes, the file has 7"):
        fetch_file(store, Item("data.bin", (f"{address}/data.bin",), bytes=7))
    assert not clean(store, DATA)


def test_a_changed_file_is_not_mixed(ftp, store, item):
    site, address = ftp
    site.files["/data.bin"] = DATA[::-1]
    site.faults["/data.bin"] = [("cut", 20_000)]
    with pytest.raises(DownloadError):
        fetch_file(Store(store.folder, policy=Policy(attempts=1)), item(address, data=DATA, hashed=False))
    site.files["/data.bin"] = DATA
    assert fetch_file(store, item(address, data=DATA, hashed=False)).read_bytes() == DATA


def test_a_stall(ftp, tmp_path, item):
    site, address = ftp
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("stall", 20_000)]
    store = Store(tmp_path / "cache", policy=Policy(attempts=30, read_s=0.2, pause=lambda _: None))
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA


def test_no_server(store, item):
    with pytest.raises(DownloadError, match="no answer"):
        fetch_file(store, item("ftp://127.0.0.1:9", data=DATA))


def test_a_server_without_sizes_needs_a_hash(ftp, store, fresh, item):
    site, address = ftp
    site.files["/data.bin"] = DATA
    site.lengths = False
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA
    with pytest.raises(DownloadError, match="no end could be told"):
        fetch_file(fresh(), item(address, data=DATA, hashed=False))
