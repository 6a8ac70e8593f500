"""Archives of strangers are unpacked inside their folder, whole, or not at all."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.datasets.download import archives
from backmapbench.datasets.download.archives import BadArchiveError, SafeUnpack
from backmapbench.datasets.download.fetch import fetch_file, unpacked
from backmapbench.errors import DownloadError

FILES = {"top.pdb": b"atoms", "runs/1/a.xtc": np.random.default_rng(0).bytes(30_000), "runs/empty": b""}
KINDS = ("tar.gz", "zip")


def tar_of(members, mode="w:gz", **options):
    """Bytes of a tar file of (name or TarInfo, content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, **options) as tar:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zip_of(members, packing=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return out.getvalue()


def pack(kind, members):
    return tar_of(members) if kind == "tar.gz" else zip_of(members)


def odd(name, kind, target="/etc/passwd"):
    """A tar member that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_link():
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    return info


@pytest.fixture
def place(tmp_path):
    """``place(data)``: an archive in a folder of its own."""

    def make(data, name="a.tar.gz"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
        return tmp_path / "in" / name

    return make


def holds(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_what_went_in_comes_out(place, kind):
    path = place(pack(kind, FILES.items()))
    listed = SafeUnpack(kind)(str(path), "download", None)
    content = holds(unpacked(path))
    content.pop(archives.MARK)
    assert content == FILES
    assert sorted(listed) == sorted(str(unpacked(path) / name) for name in FILES)


names = st.lists(st.text("abc.-é", min_size=1, max_size=5).filter(lambda s: s.strip(".")), min_size=1, max_size=3)
trees = st.dictionaries(names.map("/".join), st.binary(max_size=50), max_size=6).filter(
    lambda tree: not any(a != b and b.startswith(f"{a}/") for a in tree for b in tree)
)


@given(tree=trees, kind=st.sampled_from(KINDS))
@settings(max_examples=40, deadline=None)
def test_any_tree_comes_out(tmp_path_factory, tree, kind):
    path = tmp_path_factory.mktemp("tree") / "a"
    path.write_bytes(pack(kind, tree.items()))
    SafeUnpack(kind)(str(path), "download", None)
    content = holds(unpacked(path))
    content.pop(archives.MARK)
    assert content == tree


def test_folders_and_long_names_are_no_bombs(place):
    members = [(odd(f"{'d' * 90}{number}/{'e' * 90}", tarfile.DIRTYPE, ""), b"") for number in range(300)]
    path = place(tar_of([*members, ("f", b"x" * 2000)], format=tarfile.PAX_FORMAT))
    assert len(SafeUnpack("tar.gz", ratio=1e6)(str(path), "download", None)) == 1


PAX_BOMB = tarfile.TarInfo("a")
PAX_BOMB.pax_headers = {"comment": "x" * (4 << 20)}

REFUSED = {
    "up": tar_of([("../evil", b"x")]),
    "up inside": tar_of([("a/../../evil", b"x")]),
    "absolute": tar_of([("/tmp/evil", b"x")]),  # noqa: S108
    "backslash": tar_of([("..\\evil", b"x")]),
    "drive": tar_of([("C:/evil", b"x")]),
    "folder up": tar_of([(odd("../evil", tarfile.DIRTYPE), b"")]),
    "mark": tar_of([(archives.MARK, b"{}")]),
    "symlink": tar_of([(odd("link", tarfile.SYMTYPE), b"")]),
    "symlink then through": tar_of([(odd("link", tarfile.SYMTYPE, ".."), b""), ("link/evil", b"x")]),
    "hard link": tar_of([("a", b"x"), (odd("link", tarfile.LNKTYPE, "a"), b"")]),
    "pipe": tar_of([(odd("pipe", tarfile.FIFOTYPE), b"")]),
    "device": tar_of([(odd("null", tarfile.CHRTYPE), b"")]),
    "twice": tar_of([("a", b"x"), ("a", b"y")]),
    "file as folder": tar_of([("a", b"x"), ("a/b", b"y")]),
    "bomb": tar_of([("a", bytes(30_000_000))]),
    "bomb in the header": tar_of([(PAX_BOMB, b"")], format=tarfile.PAX_FORMAT),
    "bomb of padding": gzip.compress(tar_of([("a", b"x")], "w") + bytes(8_000_000)),
    "many members": tar_of([(f"{number}", b"") for number in range(51)]),
    "zip up": zip_of([("../evil", b"x")]),
    "zip absolute": zip_of([("/tmp/evil", b"x")]),  # noqa: S108
    "zip link": zip_of([(zip_link(), b"/etc/passwd")]),
    "zip bomb": zip_of([("a", bytes(30_000_000))]),
    "zip twice": zip_of([("a", b"x"), ("A/../a", b"y")]),
    "no tar": b"not an archive at all",
    "empty": b"",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_do_more_than_put_files_into_a_folder_is_refused(place, tmp_path, case):
    path = place(REFUSED[case])
    kind = "zip" if case.startswith("zip") else "tar.gz"
    with pytest.raises(BadArchiveError, match=r"a\.tar\.gz: (refused: .*do not trust it|damaged archive .*remove it)"):
        SafeUnpack(kind, members=50)(str(path), "download", None)
    assert holds(tmp_path) == {"in/a.tar.gz": REFUSED[case]}
    assert [found.name for found in path.parent.iterdir()] == ["a.tar.gz"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tenth", range(10))
def test_a_cut_archive_leaves_nothing(place, kind, tenth):
    data = pack(kind, FILES.items())
    path = place(data[: len(data) * tenth // 10])
    with pytest.raises(BadArchiveError):
        SafeUnpack(kind)(str(path), "download", None)
    assert [found.name for found in path.parent.iterdir()] == ["a.tar.gz"]


@given(kind=st.sampled_from(KINDS), places=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1))
@settings(max_examples=100, deadline=None)
def test_damaged_bytes_are_one_error_or_files_inside(tmp_path_factory, kind, places):
    folder = tmp_path_factory.mktemp("damaged")
    members = [("a/b", b"x" * 700), ("long" * 40, b"y"), ("c", b"")]
    data = bytearray(tar_of(members, "w", format=tarfile.PAX_FORMAT) if kind == "tar.gz" else zip_of(members))
    for place, byte in places:
        data[place % len(data)] = byte
    path = folder / "a"
    path.write_bytes(gzip.compress(bytes(data)) if kind == "tar.gz" else bytes(data))
    try:
        SafeUnpack(kind)(str(path), "download", None)
    except DownloadError:
        assert {found.name for found in folder.iterdir()} == {"a"}
    else:
        assert {found.name for found in folder.iterdir()} == {"a", "a.unpacked"}


def test_unpacked_once_and_again_when_the_archive_changes(place, monkeypatch):
    path = place(tar_of(FILES.items()))
    SafeUnpack("tar.gz")(str(path), "download", None)
    left = path.with_name(f".{path.name}.x.tmp")
    left.mkdir()  # what a kill leaves
    (unpacked(path) / "top.pdb").write_bytes(b"mine")
    SafeUnpack("tar.gz")(str(path), "fetch", None)
    assert (unpacked(path) / "top.pdb").read_bytes() == b"mine"
    path.write_bytes(tar_of([("other", b"x")]))
    SafeUnpack("tar.gz")(str(path), "update", None)
    assert set(holds(unpacked(path))) == {"other", archives.MARK}
    assert not left.exists()


def test_a_full_disk_while_unpacking_is_not_the_archives_fault(place, monkeypatch):
    path = place(tar_of(FILES.items()))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives.Path, "mkdir", full)
    with pytest.raises(DownloadError, match="the disk is full") as hit:
        SafeUnpack("tar.gz")(str(path), "download", None)
    assert not isinstance(hit.value, BadArchiveError)
    monkeypatch.undo()
    assert [found.name for found in path.parent.iterdir()] == ["a.tar.gz"]


@pytest.mark.parametrize("hashed", [True, False])
def test_a_refused_archive_does_not_stay_and_the_next_mirror_is_asked(web, mirror, store, item, hashed):
    good = tar_of(FILES.items())
    web[0].files["/data.bin"], mirror[0].files["/data.bin"] = REFUSED["symlink"], good
    wanted = item(web[1], mirror[1], data=good, hashed=hashed, archive="tar.gz")
    path = fetch_file(store, wanted)
    assert path.read_bytes() == good
    assert (unpacked(path) / "top.pdb").read_bytes() == b"atoms"
    path.unlink()
    (store.folder / "hashes.json").unlink()
    mirror[0].files["/data.bin"] = REFUSED["symlink"]
    with pytest.raises(DownloadError, match=r"data\.bin: not downloaded"):
        fetch_file(store, wanted)
    assert not path.exists()
