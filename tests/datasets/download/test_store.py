"""What full disks, kills, interrupts and others at the same file do to the cache."""

import errno
import itertools
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from backmapbench.datasets.download import downloader, space
from backmapbench.datasets.download.fetch import Item, Store, fetch_file, fetch_files
from backmapbench.datasets.download.partial import Origin, Partial
from backmapbench.datasets.download.policy import Policy
from backmapbench.errors import DownloadError

DATA = np.random.default_rng(1).bytes(50_000)
OTHER = np.random.default_rng(2).bytes(50_000)
CUTS = [len(DATA) * tenth // 10 for tenth in range(1, 10)]


def test_a_damaged_lock_file_is_an_error(store, item):
    store.folder.mkdir()
    (store.folder / "hashes.json").write_text('{"data.bin": {}}')
    with pytest.raises(DownloadError, match=r"hashes\.json: damaged lock file"):
        fetch_file(store, item("http://127.0.0.1:9", data=DATA))


def test_offline(web, store, item, clean):
    site, address = web
    site.files["/data.bin"] = DATA
    apart = Store(store.folder, offline=True)
    with pytest.raises(DownloadError, match=r"data\.bin: not downloaded"):
        fetch_files(apart, [item(address, data=DATA)])
    assert site.asked == []
    path = fetch_file(store, item(address, data=DATA))
    assert fetch_files(apart, [item(address, data=DATA)]) == [path]
    path.write_bytes(OTHER)
    with pytest.raises(DownloadError, match=r"data\.bin: altered"):
        fetch_files(apart, [item(address, data=DATA)])


def test_a_full_disk_before_the_start(web, store, item, monkeypatch):
    site, address = web
    site.files["/data.bin"] = DATA
    full = shutil.disk_usage("/")._replace(free=51_000)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: full)
    with pytest.raises(DownloadError, match=r"GB are needed.*are free.*BACKMAPBENCH_CACHE"):
        fetch_files(store, [item(address, data=DATA, sized=True)])
    assert site.asked == []


@pytest.mark.parametrize("after", [0, 1])
def test_a_disk_that_fills_up_while_writing(web, store, item, clean, monkeypatch, after):
    site, address = web
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("cut", 20_000)]
    calls = itertools.count()

    def write(self, handle, chunk, total):
        if next(calls) >= after:
            raise OSError(errno.ENOSPC, "No space left on device")
        handle.write(chunk)

    with monkeypatch.context() as patch:
        patch.setattr(downloader.Watch, "write", write)
        with pytest.raises(DownloadError, match=r"the disk is full.*it goes on where it stopped"):
            fetch_file(store, item(address, data=DATA))
    assert not clean(store, DATA)
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA
    assert clean(store, DATA)


def test_a_folder_that_cannot_be_written(tmp_path, item):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DownloadError, match="cannot be written"):
        fetch_files(Store(tmp_path / "cache"), [item("http://127.0.0.1:9", data=DATA)])


def test_many_files_at_once_and_all_failures_in_one_error(web, store):
    site, address = web
    items = []
    for number in range(12):
        site.files[f"/{number}"] = data = np.random.default_rng(number).bytes(1000)
        site.faults[f"/{number}"] = [("cut", 500)]
        items.append(Item(f"sub/{number}.bin", (f"{address}/{number}",), bytes=len(data)))
    seen = {}
    busy = Store(
        store.folder, policy=store.policy, progress=lambda path, done, total: seen.update({path: (done, total)})
    )
    paths = fetch_files(busy, items, jobs=6)
    assert [path.read_bytes() for path in paths] == [site.files[f"/{number}"] for number in range(12)]
    assert set(seen.values()) == {(1000, 1000)}
    missing = [Item(f"none/{number}", (f"{address}/none",)) for number in range(3)]
    with pytest.raises(DownloadError, match=r"none/0: not downloaded.*answers 404.*\(and 2 more of 15 files\)"):
        fetch_files(store, items + missing)


def test_two_at_the_same_file_fetch_it_once(web, store, item, clean):
    site, address = web
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("cut", cut) for cut in CUTS]
    wanted = item(address, data=DATA)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fetch_file(Store(store.folder, policy=store.policy), wanted), range(4)))
    assert {path.read_bytes() for path in found} == {DATA}
    assert len(site.asked) == 10
    assert clean(store, DATA)


def test_an_interrupt_ends_the_transfers(web, store, item):
    site, address = web
    site.files["/data.bin"] = DATA
    site.faults["/data.bin"] = [("always",), ("cut", 100)]
    stopped = Store(store.folder, policy=Policy(attempts=1000))
    threading.Timer(0.3, stopped.policy.stop.set).start()
    with pytest.raises(DownloadError, match="stopped"):
        fetch_file(stopped, item(address, data=DATA))
    site.faults.clear()
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA


def test_what_a_kill_leaves_is_swept(web, store, item, clean):
    site, address = web
    site.files["/data.bin"] = DATA
    work = store.folder / ".work"
    work.mkdir(parents=True)
    (work / "data.bin.part").write_bytes(b"half")
    (store.folder / "tmpab1_xyz9").hardlink_to(work / "data.bin.part")  # linked, killed before it was moved
    (store.folder / "tmpcccccccc").touch()  # made by pooch, killed before it was used
    assert fetch_file(store, item(address, data=DATA)).read_bytes() == DATA
    assert clean(store, DATA)


def test_a_complete_partial_file_needs_no_network(store, item, clean):
    (store.folder / ".work").mkdir(parents=True)
    partial = Partial(store.folder / ".work" / "data.bin.part")
    partial.begin(Origin("http://127.0.0.1:9/data.bin", None, len(DATA)))
    partial.path.write_bytes(DATA)
    assert fetch_file(store, item("http://127.0.0.1:9", data=DATA)).read_bytes() == DATA
    assert clean(store, DATA)


def test_passwords_are_not_shown(store):
    hidden = Item("data.bin", ("http://me:secret@127.0.0.1:9/data.bin",))
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9/data\.bin no answer") as hit:
        fetch_file(store, hidden)
    assert "secret" not in str(hit.value)
