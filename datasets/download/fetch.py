"""Fetching files into a folder: locks, mirrors in turn, several files at a time, hashes always checked."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pooch
from filelock import FileLock, Timeout

from backmapbench.datasets.download.archives import SUFFIX, BadArchiveError, SafeUnpack
from backmapbench.datasets.download.downloader import ResumingDownloader, sweep
from backmapbench.datasets.download.partial import Partial, local_errors
from backmapbench.datasets.download.policy import Policy, RefusedError
from backmapbench.datasets.download.space import require_space
from backmapbench.datasets.download.transfer import Expected, Progress
from backmapbench.datasets.download.trust import TrustFile
from backmapbench.errors import DownloadError
from backmapbench.files import sha256

WORK = ".work"  # partial files and locks; never data
SWEEPS = 8  # that one file may meet
TRIES = 2  # of each address, when the bytes that arrive are not the file's


@dataclass(frozen=True)
class Item:
    """A file to fetch: its path below the folder, where to try, and what is known of it."""

    path: str
    urls: tuple[str, ...]
    bytes: int | None = None
    checksum: str | None = None
    archive: Literal["tar.gz", "zip"] | None = None
    about_bytes: int | None = None
    about_unpacked_bytes: int | None = None

    @property
    def room(self) -> int:
        """Bytes that the file, and what is in it, will take on disk, as far as that is known."""
        size = self.bytes or self.about_bytes or 0
        return size + (self.about_unpacked_bytes or 0) * (self.archive is not None)


@dataclass(frozen=True)
class Store:
    """A folder of fetched files with its lock file of hashes."""

    folder: Path
    offline: bool = False
    policy: Policy = field(default_factory=Policy)
    progress: Progress | None = None

    @property
    def trust(self) -> TrustFile:
        """Hashes of the files."""
        return TrustFile(self.folder)

    def known_hash(self, item: Item) -> str | None:
        """The hash that the file must have: the published one, else the trusted one, else None."""
        entry = self.trust.read().get(item.path)
        return item.checksum or (f"sha256:{entry.sha256}" if entry is not None else None)

    def present(self, item: Item) -> bool:
        """Whether the file is there with its hash (or, while it has none, at all)."""
        path = self.folder / item.path
        return path.is_file() and bool(pooch.hashes.hash_matches(str(path), self.known_hash(item)))

    def check(self, item: Item) -> Path:
        """The file, its hash checked. Raises DownloadError when it is missing or altered."""
        path = self.folder / item.path
        if not path.is_file():
            raise DownloadError(f"{path}: not downloaded; fetch the dataset")
        if not self.present(item):
            raise DownloadError(f"{path}: altered: its hash is not {self.known_hash(item)}; fetch the dataset again")
        return path


def fetch_files(store: Store, items: Sequence[Item], jobs: int = 4) -> list[Path]:
    """Bring every file into the store; returns their paths. Unpacks archives beside them.

    Raises one DownloadError for all that failed; what was fetched stays, and partial files go on the next time.
    """
    if not store.offline:
        with local_errors(store.folder):
            store.folder.mkdir(parents=True, exist_ok=True)
        missing = [item for item in items if not (store.folder / item.path).is_file()]
        begun = sum(_partial(store, item).size for item in missing)
        require_space(store.folder, max(0, sum(item.room for item in missing) - begun))
    failures: list[DownloadError] = []
    found: list[Path] = []
    with ThreadPoolExecutor(max_workers=max(1, min(jobs, len(items)))) as pool:
        futures = [pool.submit(fetch_file, store, item) for item in items]
        try:
            for future in futures:
                try:
                    found.append(future.result())
                except DownloadError as error:
                    failures.append(error)
        except BaseException:
            store.policy.stop.set()  # an interrupt ends the other threads at their next chunk
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failures:
        others = f" (and {len(failures) - 1} more of {len(items)} files)" if len(failures) > 1 else ""
        raise DownloadError(f"{failures[0]}{others}")
    return found


def fetch_file(store: Store, item: Item) -> Path:
    """Bring one file into the store; waits while another process is at it. Raises DownloadError."""
    if store.offline:
        return store.check(item)
    work = store.folder / WORK
    name = item.path.replace("/", "%")
    with local_errors(work):
        work.mkdir(parents=True, exist_ok=True)
        (store.folder / item.path).parent.mkdir(parents=True, exist_ok=True)
    with _Waiting(work / f"{name}.lock", store.policy):
        partial = _partial(store, item)
        sweep((store.folder / item.path).parent, partial)
        if not store.present(item):
            (store.folder / item.path).unlink(
                missing_ok=True
            )  # altered since: no bad file stays while there is no good one
        path, origin = _from_mirrors(store, item)
        partial.forget()
        if item.path not in store.trust.read():
            store.trust.record(item.path, sha256(path), path.stat().st_size, origin, item.checksum)
    return path


def unpacked(path: Path) -> Path:
    """Folder that the archive at ``path`` was unpacked to."""
    return path.with_name(path.name + SUFFIX)


def _from_mirrors(store: Store, item: Item) -> tuple[Path, str]:
    """The file and where it came from; mirrors in turn."""
    expected = Expected(item.path, item.bytes, store.known_hash(item) is not None)
    downloader = ResumingDownloader(_partial(store, item), expected, store.policy, store.progress)
    problems: dict[str, str] = {}
    for url in item.urls:
        for _ in range(TRIES):
            try:
                return _with_pooch(store, item, url, downloader), url
            except RefusedError as error:
                problems[url] = str(error)
                break
            except BadArchiveError as error:
                downloader.partial.forget()
                problems[url] = f"delivers an archive that cannot be used: {error}"
            except ValueError:
                # The bytes so far may be to blame, not the server: once more, from the beginning.
                downloader.partial.forget()
                problems[url] = _other_bytes(store, item)
            if store.policy.stop.is_set():
                break
    raise DownloadError(
        f"{item.path}: not downloaded ("
        + "; ".join(f"{_shown(url)} {problem}" for url, problem in problems.items())
        + "); try again later, or give --mirror or --from-folder"
    )


def _with_pooch(store: Store, item: Item, url: str, downloader: ResumingDownloader) -> Path:
    pooch.get_logger().setLevel("WARNING")  # its news of every file would mix with the progress display
    registry: dict[str, Any] = {item.path: store.known_hash(item)}
    keeper = pooch.create(path=store.folder, base_url="", registry=registry, urls={item.path: url})
    path = store.folder / item.path
    unpack = None
    if item.archive is not None:
        limit = {} if item.about_unpacked_bytes is None else {"limit_bytes": 2 * item.about_unpacked_bytes}
        unpack = SafeUnpack(item.archive, **limit)
    with local_errors(path):
        try:
            _past_sweeps(functools.partial(keeper.fetch, item.path, downloader=downloader, processor=unpack))
        except BadArchiveError:
            path.unlink()  # nothing that was refused stays
            raise
    return path


def _past_sweeps(fetch: Callable[[], object]) -> None:
    """``fetch``, again where an empty temporary file of its own was taken for a killed process's and removed.

    pooch makes one to see whether the folder can be written to, and stumbles when it is gone. Sweeps are as rare as
    files that begin to be fetched, so few repetitions are enough; the bytes fetched so far are kept.
    """
    for _ in range(SWEEPS):
        with contextlib.suppress(FileNotFoundError):
            fetch()
            return
    fetch()


def _other_bytes(store: Store, item: Item) -> str:
    entry = store.trust.read().get(item.path)
    if item.checksum is None and entry is not None:
        return (
            f"delivers other bytes than those trusted on {entry.first_seen} (SHA-256 {entry.sha256[:12]}...): changed "
            f"or tampered with; remove the entry from {store.trust.path} only if you trust the new ones"
        )
    return f"delivers bytes whose hash is not {item.checksum}"


def _partial(store: Store, item: Item) -> Partial:
    return Partial(store.folder / WORK / f"{item.path.replace('/', '%')}.part")


def _shown(url: str) -> str:
    """The address without a password."""
    split = urlsplit(url)
    return split._replace(netloc=split.netloc.rsplit("@", 1)[-1]).geturl()


class _Waiting:
    """A lock between processes that can be interrupted while waiting."""

    def __init__(self, path: Path, policy: Policy) -> None:
        self.lock, self.policy = FileLock(path), policy

    def __enter__(self) -> None:
        while True:
            if self.policy.stop.is_set():
                raise DownloadError("stopped")
            try:
                self.lock.acquire(timeout=0.5, poll_interval=0.05)
            except Timeout:
                continue
            return

    def __exit__(self, *_: object) -> None:
        self.lock.release()
