"""Every trajectory format streams the same frames; what is cut off or not finite never passes silently."""

import tracemalloc
import warnings

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdtraj.formats import DCDTrajectoryFile

from backmapbench.datasets.catalogue import ROOT
from backmapbench.datasets.readers import TruncatedFileWarning, make_whole, read_topology, stream
from backmapbench.errors import DataError

TOPOLOGY = read_topology(ROOT / "recipes" / "ace-ala-nme.pdb")
FRAMES = 23
PRECISION_NM = {"xtc": 6e-4, "gro": 6e-4, "pdb": 6e-5}
TIMED = {"xtc", "trr", "h5"}
BOXED = {"xtc", "trr", "dcd", "h5", "gro"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A random walk of alanine dipeptide in a triclinic box that breathes, in every format."""
    folder = tmp_path_factory.mktemp("formats")
    rng = np.random.default_rng(7)
    start = mdtraj.load(str(ROOT / "recipes" / "ace-ala-nme.pdb")).xyz[0]
    xyz = (start + np.cumsum(rng.normal(scale=0.005, size=(FRAMES, 22, 3)), axis=0)).astype(np.float32)
    trajectory = mdtraj.Trajectory(xyz, mdtraj.load_topology(str(ROOT / "recipes" / "ace-ala-nme.pdb")))
    trajectory.time = 500.0 + 2.0 * np.arange(FRAMES)
    trajectory.unitcell_lengths = np.linspace(2.5, 2.7, FRAMES)[:, None] * np.ones(3)
    trajectory.unitcell_angles = np.tile([70.5, 109.5, 70.5], (FRAMES, 1))
    formats = ["xtc", "trr", "dcd", "pdb", "gro"]
    try:
        trajectory.save(str(folder / "t.h5"))
        formats.append("h5")
    except ImportError:  # without PyTables the h5 cases skip and say so
        pass
    for suffix in formats:
        trajectory.save(str(folder / f"t.{suffix}"))
    np.save(folder / "t.npy", xyz.astype(np.float64) * 10)
    np.savez(folder / "t.npz", coords=xyz, phi=np.zeros(5))
    np.savez_compressed(folder / "several.npz", train=xyz, test=xyz[::-1])
    np.savez(folder / "fortran.npz", coords=np.asfortranarray(xyz))
    return folder, trajectory


def _path(made, suffix):
    path = made[0] / f"t.{suffix}"
    if suffix == "h5" and not path.exists():
        pytest.skip("h5 files need PyTables, which is not installed")
    return path


def _unit(suffix):
    return {"npy": "angstrom", "npz": "nm"}.get(suffix)


def _joined(chunks, name):
    parts = [getattr(chunk, name) for chunk in chunks]
    return None if parts[0] is None else np.concatenate(parts)


@pytest.mark.parametrize("suffix", ["xtc", "trr", "dcd", "pdb", "gro", "h5", "npy", "npz"])
@pytest.mark.parametrize(("chunk", "stride"), [(1000, 1), (5, 1), (4, 3), (7, 10), (1, 2)])
def test_every_format_gives_the_frames_in_nanometres(made, suffix, chunk, stride):
    path, trajectory = _path(made, suffix), made[1]
    chunks = list(stream(path, TOPOLOGY, chunk=chunk, stride=stride, unit=_unit(suffix)))
    positions = _joined(chunks, "positions")
    assert positions.dtype == np.float32
    assert all(0 < len(part) <= -(-chunk // stride) for part in chunks)
    expected = trajectory.xyz[::stride]
    assert positions.shape == expected.shape
    assert np.abs(positions - expected).max() < PRECISION_NM.get(suffix, 1e-6)
    times, box = _joined(chunks, "time_ps"), _joined(chunks, "box")
    if suffix in TIMED:
        assert times.dtype == np.float64
        assert np.abs(times - trajectory.time[::stride]).max() < 1e-3
    else:
        assert times is None
    if suffix in BOXED:
        assert np.abs(box - trajectory.unitcell_vectors[::stride]).max() < 2e-3
    elif suffix == "pdb":  # the format has one CRYST1 for all models
        assert np.abs(box - trajectory.unitcell_vectors[0]).max() < 2e-3
    else:
        assert box is None


@pytest.mark.parametrize("suffix", ["xtc", "trr", "dcd", "pdb"])
def test_as_mdanalysis_reads_them(made, suffix):
    mdanalysis = pytest.importorskip("MDAnalysis", reason="the oracle is MDAnalysis")
    path = _path(made, suffix)
    oracle = mdanalysis.Universe(str(made[0] / "t.pdb"), str(path))
    positions = np.concatenate([chunk.positions for chunk in stream(path, TOPOLOGY, chunk=6)])
    assert np.abs(positions - np.array([step.positions / 10 for step in oracle.trajectory])).max() < 2e-6


def test_boxes_are_the_cells_that_make_molecules_whole(made):
    """Wrapped and written, read and made whole: box vectors agree with positions in orientation and unit."""
    folder, trajectory = made
    rng = np.random.default_rng(0)
    images = rng.integers(-1, 2, size=(FRAMES, 22, 3))
    wrapped = trajectory.xyz + images @ trajectory.unitcell_vectors
    for suffix in ("xtc", "trr", "dcd"):
        copy = mdtraj.Trajectory(wrapped, trajectory.topology, trajectory.time)
        copy.unitcell_vectors = trajectory.unitcell_vectors
        copy.save(str(folder / f"wrapped.{suffix}"))
        for chunk in stream(folder / f"wrapped.{suffix}", TOPOLOGY):
            whole = make_whole(chunk.positions, chunk.box, TOPOLOGY)
            expected = trajectory.xyz - trajectory.xyz[:, :1]
            assert np.abs((whole - whole[:, :1]) - expected).max() < 5e-3


@pytest.mark.parametrize(("name", "key"), [("several", "train"), ("fortran", None), ("fortran", "coords")])
def test_arrays_of_an_npz_file(made, name, key):
    chunks = stream(made[0] / f"{name}.npz", TOPOLOGY, chunk=4, unit="nm", key=key)
    assert (_joined(list(chunks), "positions") == made[1].xyz).all()


def test_several_arrays_need_a_key(made):
    with pytest.raises(DataError, match=r"2 arrays of \(frames, atoms, 3\); it holds train \(23, 22, 3\), test"):
        list(stream(made[0] / "several.npz", TOPOLOGY, unit="nm"))
    with pytest.raises(DataError, match="no array 'xyz'"):
        list(stream(made[0] / "several.npz", TOPOLOGY, unit="nm", key="xyz"))


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_array_files_need_a_unit(made, suffix):
    with pytest.raises(DataError, match="carry no unit"):
        list(stream(made[0] / f"t.{suffix}", TOPOLOGY))


def _attempt(path, chunk, suffix, truncated):
    """The error and the positions of one try; reading on past an error must warn."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            chunks = list(stream(path, TOPOLOGY, chunk=chunk, unit=_unit(suffix), truncated=truncated))
    except DataError as error:
        return str(error), None
    assert (truncated == "read") == any(warning.category is TruncatedFileWarning for warning in caught)
    return None, _joined(chunks, "positions")


@settings(max_examples=40)
@given(st.sampled_from(["xtc", "trr", "dcd", "pdb", "npy", "npz"]), st.floats(0, 0.999), st.sampled_from([1, 6, 100]))
def test_a_cut_file_is_an_error_or_whole_frames_and_a_warning(made, suffix, share, chunk):
    """Wherever it is cut. (An xtc or trr cut exactly between frames cannot be told from a shorter one.)"""
    folder, trajectory = made
    content = (folder / f"t.{suffix}").read_bytes()
    cut = folder / f"cut.{suffix}"
    cut.write_bytes(content[: int(share * len(content))])
    error, positions = _attempt(cut, chunk, suffix, "error")
    if error is not None:
        assert cut.name in error
        assert "\n" not in error
        error, positions = _attempt(cut, chunk, suffix, "read")
    else:
        assert suffix in {"xtc", "trr", "pdb"}
    if error is not None:
        assert suffix in {"npy", "npz"} or share < 2 / FRAMES  # cannot be read in part, or not even one frame
        return
    assert 0 < len(positions) <= FRAMES
    assert np.abs(positions - trajectory.xyz[: len(positions)]).max() < PRECISION_NM.get(suffix, 1e-6)


def test_a_header_that_claims_more_frames_than_there_are(made, tmp_path):
    content = bytearray((made[0] / "t.dcd").read_bytes())
    content[8:12] = (500).to_bytes(4, "little")
    (tmp_path / "claims.dcd").write_bytes(content)
    with pytest.raises(DataError, match="claims 500 frames and holds 23"):
        list(stream(tmp_path / "claims.dcd", TOPOLOGY))
    with pytest.warns(TruncatedFileWarning, match="claims 500 frames and holds 23"):
        assert sum(len(chunk) for chunk in stream(tmp_path / "claims.dcd", TOPOLOGY, truncated="read")) == 23


@pytest.mark.parametrize("suffix", ["dcd", "npy", "npz", "trr"])
def test_positions_that_are_not_finite_are_refused_by_frame(made, tmp_path, suffix):
    broken = made[1].xyz.copy()
    broken[17, 3, 1] = np.nan
    path = tmp_path / f"broken.{suffix}"
    if suffix in {"npy", "npz"}:
        (np.save if suffix == "npy" else np.savez)(path, broken)
    else:
        mdtraj.Trajectory(broken, made[1].topology).save(str(path))
    with pytest.raises(DataError, match="frame 17 has a position that is not a finite number"):
        list(stream(path, TOPOLOGY, chunk=5, unit="nm"))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda p: DCDTrajectoryFile(str(p / "x.dcd"), "w").write(np.zeros((2, 5, 3), "f4")),
            "holds 5 atoms, its topology 22",
        ),
        (lambda p: np.save(p / "x.npy", np.zeros((4, 66))), r"holds float64 of shape \(4, 66\)"),
        (lambda p: np.save(p / "x.npy", np.array([["a", "b", "c"]] * 22)[None]), "expected numbers"),
        (lambda p: np.save(p / "x.npy", np.zeros((0, 22, 3))), "no complete frame"),
        (lambda p: np.savez(p / "x.npz", phi=np.zeros((4, 2))), "0 arrays of"),
        (lambda p: (p / "x.xtc").write_bytes(b""), "cannot be opened"),
        (lambda p: (p / "x.h5").write_text("no"), "cannot be opened"),
        (lambda p: (p / "x.lammpstrj").write_text("no"), "no trajectory format"),
        (lambda p: None, "no such file"),
    ],
)
def test_other_files_are_one_clear_error(tmp_path, write, message):
    write(tmp_path)
    path = next(iter(tmp_path.iterdir()), tmp_path / "x.xtc")
    with pytest.raises(DataError, match=message) as caught:
        list(stream(path, TOPOLOGY, unit="nm"))
    assert "\n" not in str(caught.value)


def test_models_with_other_atoms_are_refused(made, tmp_path):
    text = (made[0] / "t.pdb").read_text()
    at = text.index("ALA", text.index("MODEL        3"))
    (tmp_path / "other.pdb").write_text(text[:at] + "GLY" + text[at + 3 :])
    with pytest.raises(DataError, match="model 4 has other atoms than model 1"):
        list(stream(tmp_path / "other.pdb", TOPOLOGY))


@pytest.mark.parametrize("suffix", ["npy", "npz", "pdb"])
def test_memory_is_bounded_by_the_chunk(tmp_path, suffix):
    """Files of 0.7 MB (pdb) and 1.1 MB pass in chunks of 3 kB."""
    frames = 400 if suffix == "pdb" else 4_000
    path = tmp_path / f"long.{suffix}"
    if suffix == "pdb":
        lines = (ROOT / "recipes" / "ace-ala-nme.pdb").read_text().splitlines()
        atoms = "\n".join(line for line in lines if line.startswith(("ATOM", "HETATM")))
        path.write_text("\n".join(f"MODEL {number + 1}\n{atoms}\nENDMDL" for number in range(frames)))
    else:
        (np.save if suffix == "npy" else np.savez)(path, np.zeros((frames, 22, 3), "f4"))
    tracemalloc.start()
    try:
        assert sum(len(chunk) for chunk in stream(path, TOPOLOGY, chunk=10, unit="nm")) == frames
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4e5
