"""From a card to a dataset on this machine: by download, or from a folder with the user's own copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock
from pooch.hashes import hash_matches

from backmapbench.datasets.download.archives import SafeUnpack
from backmapbench.datasets.download.build import build, store_bytes
from backmapbench.datasets.download.fetch import Item, Store, fetch_files, unpacked
from backmapbench.datasets.download.layout import found_in, matches
from backmapbench.datasets.download.partial import local_errors
from backmapbench.datasets.download.policy import Policy
from backmapbench.datasets.download.space import require_space
from backmapbench.datasets.download.transfer import Progress
from backmapbench.datasets.processed import Manifest
from backmapbench.datasets.schema import PaperCard, Source, SourceFile, addresses, check_address
from backmapbench.errors import DataError, DownloadError, UnknownNameError

RAW = "raw"


@dataclass(frozen=True)
class Options:
    """How to fetch. ``mirrors``: addresses to try before the card's; ``source``: None takes the card's default."""

    source: str | None = None
    mirrors: Sequence[str] = ()
    jobs: int = 4
    offline: bool = False
    optional: bool = False
    policy: Policy = field(default_factory=Policy)
    progress: Progress | None = None
    ingested: Callable[[int, int], None] | None = None


def fetch_dataset(card: PaperCard, folder: Path, options: Options) -> Manifest:
    """Download a source of ``card`` into ``folder`` and process it. What is there and right is not fetched again.

    Raises DownloadError when files cannot be had, DataError when they are not what the card says.
    """
    name = options.source or card.default_source
    if name is None or (name in card.sources and card.sources[name].access == "local"):
        entry = card.sources[name or next(iter(card.sources))]
        raise DownloadError(
            f"dataset '{card.name}' cannot be downloaded{f' from {name}' if name else ''}: {entry.reason} "
            f"Give your own copy: `backmapbench datasets fetch {card.name} --from-folder PATH`"
        )
    source = _source(card, name)
    files = [entry for entry in source.files if options.optional or not entry.optional]
    items = [_item(source, entry, options.mirrors) for entry in files]
    store = Store(folder / RAW / name, options.offline, options.policy, options.progress)
    if not options.offline:
        require_space(folder, store_bytes(card, source) + _missing_bytes(store, items))
    with _one_at_a_time(folder):
        paths = fetch_files(store, items, options.jobs)
        roots = [store.folder, *(unpacked(path) for path in paths if unpacked(path).is_dir())]
        origin = ", ".join(sorted({entry.origin for entry in store.trust.read().values()}))
        return build(card, name, roots, folder, origin=origin, progress=options.ingested)


def from_folder(card: PaperCard, own: Path, folder: Path, options: Options) -> Manifest:
    """Take the user's own copy in ``own``: check it against the card, process it, record its hashes.

    Archives of the source that lie in ``own`` are unpacked into ``folder``; ``own`` itself is only read.
    Raises DataError when no source's files are there or they are not what the card says.
    """
    if not own.is_dir():
        raise DataError(f"{own}: is not a folder; give the one that holds your copy of {card.name}")
    names = [options.source] if options.source else list(card.sources)
    with _one_at_a_time(folder):
        for name in names:
            source = _source(card, name)
            require_space(folder, _unpacking_bytes(source, own))
            roots = [own, *_archives(source, own, folder / RAW / f"{name}-own")]
            if matches(source, roots):
                for entry in source.files:
                    _check_published(entry, found_in(own, entry.path))
                require_space(folder, store_bytes(card, source))
                return build(card, name, roots, folder, origin=str(own.absolute()), progress=options.ingested)
    expected = "; ".join(
        f"{name}: {', '.join([*card.sources[name].layout.topology, *card.sources[name].layout.trajectories])}"
        for name in names
    )
    raise DataError(f"{own}: holds the files of no known source of {card.name} ({expected}); rename or link them so")


def raw_store(card: PaperCard, folder: Path, name: str) -> tuple[Store, list[Item]]:
    """The downloaded files of a source that are on this machine, to be checked without a network."""
    source = card.sources[name]
    store = Store(folder / RAW / name, offline=True)
    present = [entry for entry in source.files if (store.folder / entry.path).is_file()]
    return store, [_item(source, entry, ()) for entry in present]


def download_bytes(source: Source) -> int | None:
    """Bytes to download, roughly; None where nothing is known."""
    sizes = [entry.bytes or entry.about_bytes for entry in source.files if not entry.optional]
    known = [size for size in sizes if size is not None]
    return sum(known) if known and len(known) == len(sizes) else None


def _source(card: PaperCard, name: str) -> Source:
    if name not in card.sources:
        raise UnknownNameError(f"source of {card.name}", name, card.sources)
    return card.sources[name]


def _item(source: Source, entry: SourceFile, mirrors: Sequence[str]) -> Item:
    for mirror in mirrors:
        try:
            check_address(mirror)
        except ValueError as error:
            raise DownloadError(f"--mirror {mirror}: {error}") from error
    return Item(
        path=entry.path,
        urls=tuple(addresses(source, entry, list(mirrors))),
        bytes=entry.bytes,
        checksum=entry.checksum,
        archive=entry.archive,
        about_bytes=entry.about_bytes,
        about_unpacked_bytes=entry.about_unpacked_bytes,
    )


def _missing_bytes(store: Store, items: Sequence[Item]) -> int:
    return sum(item.room for item in items if not (store.folder / item.path).is_file())


def _unpacking_bytes(source: Source, own: Path) -> int:
    archives = (entry for entry in source.files if entry.archive is not None and found_in(own, entry.path))
    return sum(entry.about_unpacked_bytes or 0 for entry in archives)


def _archives(source: Source, own: Path, room: Path) -> list[Path]:
    """Folders with what the source's archives in ``own`` hold; they are linked or copied nowhere, only unpacked."""
    folders = []
    for entry in source.files:
        archive = found_in(own, entry.path)
        if entry.archive is None or archive is None:
            continue
        _check_published(entry, archive)
        link = room / archive.name
        with local_errors(room):
            room.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(archive.absolute())
        SafeUnpack(entry.archive)(str(link), "fetch", None)
        folders.append(unpacked(link))
    return folders


def _check_published(entry: SourceFile, path: Path | None) -> None:
    if path is not None and entry.checksum is not None and not hash_matches(str(path), entry.checksum):
        raise DataError(f"{path}: its hash is not the published {entry.checksum}: cut off or altered; copy it again")


def _one_at_a_time(folder: Path) -> FileLock:
    """Two processes that fetch the same dataset share the files, but only one processes them at a time."""
    with local_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / ".lock")
