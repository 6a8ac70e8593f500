"""A card, servers on loopback, and the dataset that comes of them; or a folder with the user's own copy."""

import hashlib
import io
import json
import sys
import tarfile

import mdtraj
import numpy as np
import pytest
import tomli_w

from backmapbench import cli
from backmapbench.datasets import catalogue
from backmapbench.datasets.catalogue import Dataset, load_dataset, read_card
from backmapbench.datasets.download import space
from backmapbench.datasets.download.dataset import Options, fetch_dataset, from_folder
from backmapbench.datasets.readers import read_topology
from backmapbench.errors import CardError, DataError, DownloadError, UnknownNameError

PDB = catalogue.ROOT / "recipes" / "ace-ala-nme.pdb"
ORDER = [*range(6), 7, 6, *range(8, 22)]  # another order within one residue


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def card_of(address, **changes):
    """A card in the form of the paper tier: alanine dipeptide, two runs of 30 frames, 2 ps apart."""
    source = {
        "title": "two runs",
        "access": "download",
        "licence": "none",
        "units": "nm",
        "mirrors": [address],
        "trajectories": 2,
        "frames": 60,
        "frame_ps": 2.0,
        "layout": {"topology": ["**/top.pdb"], "trajectories": ["**/run*.xtc"]},
        "files": [{"path": "top.pdb"}, {"path": "runs.tar.gz", "archive": "tar.gz"}],
    }
    private = {**source, "access": "local", "reason": "they never answered.", "mirrors": [], "files": []}
    private["layout"] = {"topology": ["own.pdb"], "trajectories": ["own*.xtc"]}
    common = dict.fromkeys(("title", "licence", "citation", "limits", "frame_origin"), "none")
    return {
        **common,
        "schema_version": 1,
        "name": "pair",
        "version": 1,
        "tier": "paper",
        "atoms": 22,
        "temperature_K": 300.0,
        "frame_ps": 2.0,
        "force_field": {"simulated": [], "scored": []},
        "selection": {"residues": ["ACE", "ALA", "NME"], "hydrogens": True, "residue_count": 3},
        "simulation": {},
        "beads": {},
        "default_source": "public",
        "sources": {"public": source | changes, "private": private},
        "default_variant": "runs",
        "variants": {
            "runs": {"note": "", "cuts": [{"kind": "trajectories", "parts": {"train": 1, "test": 1}}]},
            "drawn": {"note": "", "cuts": [{"kind": "shuffled", "parts": {"train": 0.5, "test": 0.5}, "seed": 0}]},
        },
        "unknown": ["nothing"],
    }


@pytest.fixture(scope="module")
def xyz():
    return load_dataset("adp-mini").split("validation").positions[:60].copy()


@pytest.fixture(scope="module")
def raw(xyz, tmp_path_factory):
    """``raw(folder, ...)``: topology and runs in another order of atoms, wrapped into a box."""

    def make(folder, names=("top.pdb", "run2.xtc", "run10.xtc"), step=2.0, keep=tuple(ORDER), frames=30):
        folder.mkdir(parents=True, exist_ok=True)
        structure = mdtraj.load(str(PDB)).atom_slice(sorted(keep))
        shuffled = mdtraj.Topology()
        chain = shuffled.add_chain()
        residues = {r.index: shuffled.add_residue(r.name, chain, r.resSeq) for r in structure.topology.residues}
        named = mdtraj.load_topology(str(PDB))
        for index in keep:
            atom = named.atom(index)
            shuffled.add_atom(atom.name, atom.element, residues[atom.residue.index])
        for number, name in enumerate(names[1:]):
            part = xyz[30 * number : 30 * number + frames][:, list(keep)]
            run = mdtraj.Trajectory((part + 1.0) % 2.5, shuffled, time=5.0 + step * np.arange(len(part)))
            run.unitcell_lengths, run.unitcell_angles = np.full((len(part), 3), 2.5), np.full((len(part), 3), 90.0)
            run.save(str(folder / name))
            if number == 0 and names[0]:
                mdtraj.Trajectory(part[:1], shuffled).save(str(folder / names[0]))
        return folder

    return make


@pytest.fixture
def served(web, raw, tmp_path):
    """The runs on a server: (site, address)."""
    site = web[0]
    folder = raw(tmp_path / "published")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in ("run10.xtc", "run2.xtc"):
            tar.add(folder / name, f"deep/{name}")
    site.files = {"/top.pdb": (folder / "top.pdb").read_bytes(), "/runs.tar.gz": packed.getvalue()}
    return web


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """``shelf(content)``: the card as a dataset in a catalogue of its own, its data in an empty cache."""
    monkeypatch.setenv("BACKMAPBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(catalogue, "CARDS", tmp_path / "cards")
    (tmp_path / "cards").mkdir()

    def make(content):
        (tmp_path / "cards" / "pair.toml").write_text(tomli_w.dumps(content))
        return load_dataset("pair")

    return make


@pytest.fixture
def quick(policy):
    return lambda **options: Options(policy=policy, **options)


def invoke(monkeypatch, capsys, *arguments):
    """Run the command in this process: (exit code, stdout, stderr)."""
    monkeypatch.setattr(sys, "argv", ["backmapbench", *map(str, arguments)])
    monkeypatch.setattr(cli.err, "_width", 400, raising=False)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    captured = capsys.readouterr()
    return stop.value.code, captured.out, captured.err


def distances(positions):
    return np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1)


def test_from_servers_to_splits(served, shelf, quick, xyz):
    data = shelf(card_of(served[1]))
    assert data.presence() == "absent"
    with pytest.raises(DataError, match="'pair' is not on this machine; run `backmapbench datasets fetch pair`"):
        data.split("train")
    manifest = fetch_dataset(data.card, data.folder, quick())
    data = load_dataset("pair")
    assert data.presence() == "present"
    assert [atom.name for atom in data.topology.atoms] == [atom.name for atom in read_topology(PDB).atoms]
    for name, part in (("train", xyz[:30]), ("test", xyz[30:])):
        np.testing.assert_allclose(distances(data.split(name).positions), distances(part), atol=3e-3)
    assert data.split("test").frame_ps == 2.0
    assert (len(data.split("drawn-train")), data.split("drawn-train").frame_ps) == (30, None)
    with pytest.raises(UnknownNameError, match="did you mean test"):
        data.split("tset")
    assert [entry.path for entry in manifest.raw] == ["top.pdb", "run2.xtc", "run10.xtc"]
    assert manifest.notes == ["2 of 2 trajectories: 22 of 22 atoms matched; 1 reordered"]
    assert {path.name for path in data.verify()} >= {"top.pdb", "runs.tar.gz", "topology.pdb", "positions.npy"}
    lock = json.loads((data.folder / "raw" / "public" / "hashes.json").read_text())
    assert {name: "sha256:" + entry["sha256"] for name, entry in lock.items()} == {
        name: sha(served[0].files[f"/{name}"]) for name in ("top.pdb", "runs.tar.gz")
    }
    assert len(set(data.hashes)) == len(data.hashes) == 4


def test_a_second_fetch_asks_nothing_and_changes_nothing(served, shelf, quick):
    data = shelf(card_of(served[1]))
    first = fetch_dataset(data.card, data.folder, quick())
    served[0].asked.clear()
    second = fetch_dataset(data.card, data.folder, quick())
    offline = fetch_dataset(data.card, data.folder, quick(offline=True))
    assert served[0].asked == []
    assert first.store_files == second.store_files == offline.store_files


def test_damage_on_disk_is_seen_and_repaired(served, shelf, quick):
    data = shelf(card_of(served[1]))
    fetch_dataset(data.card, data.folder, quick())
    for pattern in ("raw/public/top.pdb", "processed/*/topology.pdb", "processed/*/store/positions.npy"):
        (path,) = data.folder.glob(pattern)
        content = path.read_bytes()
        path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
        with pytest.raises((DataError, DownloadError), match=path.name):
            Dataset(data.card, data.folder).verify()
        path.write_bytes(content)
    path.write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"positions\.npy: \d+ bytes instead of \d+; run .*fetch pair"):
        Dataset(data.card, data.folder).split("train")
    assert Dataset(data.card, data.folder).presence() == "partly"


def test_repairing_a_damaged_store(served, shelf, quick):
    data = shelf(card_of(served[1]))
    before = fetch_dataset(data.card, data.folder, quick())
    (path,) = data.folder.glob("processed/*/store/positions.npy")
    for damage in (lambda b: b[:-1], lambda b: b[:-2] + bytes([b[-2] ^ 1]) + b[-1:], lambda _: b""):
        path.write_bytes(damage(path.read_bytes()))
        assert fetch_dataset(data.card, data.folder, quick()).store_files == before.store_files
        assert Dataset(data.card, data.folder).verify()
    path.with_name("lengths.json").write_text("{}")
    assert fetch_dataset(data.card, data.folder, quick()).store_files == before.store_files


def test_mirrors_of_the_user_come_first(served, mirror, shelf, quick):
    data = shelf(card_of("http://127.0.0.1:9/none"))
    mirror[0].files = served[0].files
    fetch_dataset(data.card, data.folder, quick(mirrors=[mirror[1] + "/"]))
    assert len(mirror[0].asked) == 2
    with pytest.raises(DownloadError, match="--mirror here: must begin with one of http://"):
        fetch_dataset(data.card, data.folder, quick(mirrors=["here"]))


def test_offline_before_the_first_fetch(shelf, quick):
    data = shelf(card_of("http://127.0.0.1:9"))
    with pytest.raises(DownloadError, match=r"top\.pdb: not downloaded"):
        fetch_dataset(data.card, data.folder, quick(offline=True))


def test_a_source_without_addresses_says_why(shelf, quick):
    data = shelf(card_of("http://127.0.0.1:9"))
    with pytest.raises(
        DownloadError, match=r"from private: they never answered\. Give your own copy.*--from-folder PATH"
    ):
        fetch_dataset(data.card, data.folder, quick(source="private"))
    with pytest.raises(UnknownNameError, match="did you mean public"):
        fetch_dataset(data.card, data.folder, quick(source="pubic"))


def test_room_for_download_and_store_is_asked_before_anything_else(served, shelf, quick, monkeypatch):
    files = [{"path": "top.pdb"}, {"path": "runs.tar.gz", "archive": "tar.gz", "about_unpacked_bytes": 10**6}]
    data = shelf(card_of(served[1], files=files))
    full = space.shutil.disk_usage("/")._replace(free=10**6)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: full)
    with pytest.raises(DownloadError, match="GB are needed"):
        fetch_dataset(data.card, data.folder, quick())
    assert served[0].asked == []


def test_the_users_own_copy_is_checked_read_and_recorded(raw, shelf, quick, tmp_path, xyz):
    data = shelf(card_of("http://127.0.0.1:9"))
    own = raw(tmp_path / "mine" / "inner")
    before = {path: path.read_bytes() for path in own.iterdir()}
    manifest = from_folder(data.card, tmp_path / "mine", data.folder, quick())
    assert {path: path.read_bytes() for path in own.iterdir()} == before
    assert {entry.path: entry.sha256 for entry in manifest.raw} == {
        path.name: hashlib.sha256(content).hexdigest() for path, content in before.items()
    }
    assert manifest.origin == str(tmp_path / "mine")
    np.testing.assert_allclose(distances(data.split("test").positions), distances(xyz[30:]), atol=3e-3)
    assert data.verify()


def test_archives_in_the_users_folder_are_unpacked_elsewhere(served, shelf, quick, tmp_path):
    site, address = served
    own = tmp_path / "mine"
    own.mkdir()
    for name in ("top.pdb", "runs.tar.gz"):
        (own / name).write_bytes(site.files[f"/{name}"])
    data = shelf(card_of(address))
    assert len(from_folder(data.card, own, data.folder, quick()).lengths) == 2
    assert sorted(path.name for path in own.iterdir()) == ["runs.tar.gz", "top.pdb"]
    files = [{"path": "top.pdb", "checksum": "md5:" + "0" * 32}, {"path": "runs.tar.gz", "archive": "tar.gz"}]
    data = shelf(card_of(address, files=files))
    with pytest.raises(DataError, match=r"top\.pdb: its hash is not the published md5:000"):
        from_folder(data.card, own, data.folder, quick())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": tuple(ORDER[:-1])}, r"top\.pdb: atoms do not match: 21 of 22 atoms matched; 1 missing \(NME3-H3\)"),
        ({"step": 1.0}, r"run2\.xtc: stored frame 1 comes 1 ps after the one before, frame_ps is 2"),
        ({"frames": 29}, "holds 58 frames, the card of pair says 60; complete it"),
        ({"names": ("top.pdb", "run2.xtc")}, "holds 1 trajectories, the card says 2; complete it"),
        (
            {"names": ("top.pdb", "a.xtc", "b.xtc")},
            r"holds the files of no known source of pair \(public: .*run\*\.xtc",
        ),
        ({"names": (None, "run2.xtc", "run10.xtc")}, "holds the files of no known source"),
    ],
)
def test_a_copy_that_is_not_what_the_card_says_is_refused(raw, shelf, quick, tmp_path, options, message):
    data = shelf(card_of("http://127.0.0.1:9"))
    with pytest.raises(DataError, match=message):
        from_folder(data.card, raw(tmp_path / "mine", **options), data.folder, quick())
    assert data.presence() in {"absent", "partly"}
    assert not list(data.folder.glob("processed/manifest.json"))
    with pytest.raises(DataError, match="not on this machine"):
        data.split("train")


def test_no_folder_and_a_broken_run(raw, shelf, quick, tmp_path):
    data = shelf(card_of("http://127.0.0.1:9"))
    with pytest.raises(DataError, match="is not a folder"):
        from_folder(data.card, tmp_path / "none", data.folder, quick())
    own = raw(tmp_path / "mine")
    (own / "run10.xtc").write_bytes((own / "run10.xtc").read_bytes()[:-50])
    with pytest.raises(DataError, match=r"run10\.xtc: is damaged after frame 29"):
        from_folder(data.card, own, data.folder, quick())
    raw(tmp_path / "mine")
    assert from_folder(data.card, own, data.folder, quick()).lengths == [30, 30]


def test_files_without_times_are_noted(raw, shelf, quick, tmp_path):
    content = card_of("http://127.0.0.1:9")
    content["sources"]["public"]["layout"]["trajectories"] = ["run*.dcd"]
    data = shelf(content)
    own = raw(tmp_path / "mine", names=("top.pdb", "run1.dcd", "run2.dcd"))
    assert (
        "2 of 2 files carry no times: 2 ps is the card's word"
        in from_folder(data.card, own, data.folder, quick()).notes
    )


def test_a_new_version_of_the_card_asks_for_a_new_fetch(served, shelf, quick):
    data = shelf(card_of(served[1]))
    fetch_dataset(data.card, data.folder, quick())
    newer = Dataset(data.card.model_copy(update={"version": 2}), data.folder)
    with pytest.raises(DataError, match="made for version 1 of the card; run"):
        newer.split("train")


def test_the_command(served, shelf, monkeypatch, capsys, raw, tmp_path):
    shelf(card_of(served[1]))
    code, out, _ = invoke(monkeypatch, capsys, "datasets", "fetch", "pair", "--jobs", "2")
    assert code == 0
    assert "pair: 2 trajectories, 60 frames in" in out
    code, out, _ = invoke(monkeypatch, capsys, "datasets", "fetch", "pair", "--offline", "--json")
    assert (code, json.loads(out)["lengths"]) == (0, [30, 30])
    code, out, _ = invoke(monkeypatch, capsys, "datasets", "ls", "--json")
    (row,) = json.loads(out)
    assert (row["presence"], row["tier"], row["frames"], row["licence"]) == ("present", "paper", 60, "none")
    code, out, _ = invoke(monkeypatch, capsys, "datasets", "verify", "pair")
    assert (code, out.startswith("pair: 5 files are what the card says")) == (0, True)
    own = raw(tmp_path / "mine")
    code, out, _ = invoke(monkeypatch, capsys, "datasets", "fetch", "pair", "--from-folder", own)
    assert code == 0
    code, _, err = invoke(monkeypatch, capsys, "datasets", "fetch", "pair", "--source", "private")
    assert (code, err.count("\n")) == (2, 1)
    assert "they never answered" in err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"default_source": "private"}, "default_source must be one of the sources to download: public"),
        ({"default_source": None}, "default_source is missing; name one of public"),
        ({"default_variant": "none"}, "default_variant must be one of runs, drawn"),
        ({"unknown": []}, "unknown"),
        ({"selection": {"residues": ["ALA"], "hydrogens": True, "residue_count": 3}}, "lists 1 residues and counts 3"),
        ({"public": {"files": [{"path": "../x"}]}}, "stays inside its folder"),
        ({"public": {"files": [{"path": "x", "checksum": "md5:12"}]}}, "checksum"),
        ({"public": {"files": [{"path": "x", "urls": ["file:///etc/passwd"]}]}}, "must begin with one of http://"),
        ({"public": {"mirrors": []}}, "file 'top.pdb' has neither an address nor a mirror"),
        ({"public": {"files": [{"path": "x", "optional": True}]}}, "needs files that are not optional"),
        ({"private": {"reason": ""}}, "a source with access 'local' needs a reason"),
    ],
)
def test_cards_that_contradict_themselves_are_refused(tmp_path, change, message):
    content = card_of("http://127.0.0.1:9")
    for name in ("public", "private"):
        content["sources"][name] |= change.pop(name, {})
    content = {key: value for key, value in (content | change).items() if value is not None}
    (tmp_path / "pair.toml").write_text(tomli_w.dumps(content))
    with pytest.raises(CardError, match=rf"pair\.toml: .*{message}"):
        read_card(tmp_path / "pair.toml")
