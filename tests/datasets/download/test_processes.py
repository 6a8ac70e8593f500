"""Processes that are killed at any moment, and several that want the same dataset at once."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import mdtraj
import numpy as np
import pytest
import tomli_w

from backmapbench.datasets import catalogue

# One process imports everything once and forks for every order, so that a kill costs no second start.
ZYGOTE = textwrap.dedent("""
    import os, sys, traceback
    from pathlib import Path
    from backmapbench.datasets.catalogue import read_card
    from backmapbench.datasets.download.dataset import Options, fetch_dataset
    from backmapbench.datasets.download.policy import Policy
    import backmapbench.datasets.readers, openmm.app

    for line in sys.stdin:
        order, *rest = line.split()
        if order == "wait":
            print(os.waitpid(int(rest[0]), 0)[1], flush=True)
            continue
        child = os.fork()
        if child == 0:
            code = 1
            try:
                fetch_dataset(read_card(Path(rest[0])), Path(rest[1]), Options(policy=Policy(first_wait_s=0.01)))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        print(child, flush=True)
""")
RUNS = 4
PDB = catalogue.ROOT / "recipes" / "ace-ala-nme.pdb"


@pytest.fixture(scope="module")
def zygote():
    """``zygote(order, ...)``: the answer, a number."""
    process = subprocess.Popen(
        [sys.executable, "-c", ZYGOTE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    def tell(*words):
        process.stdin.write(" ".join(map(str, words)) + "\n")
        process.stdin.flush()
        return int(process.stdout.readline())

    yield tell
    process.kill()  # its own way out takes seconds
    process.wait()
    process.stdin.close()
    process.stdout.close()


@pytest.fixture
def begin(zygote, card):
    """``begin(folder)``: a process that fetches into it, as its number."""
    return lambda folder: zygote("fetch", card, folder)


@pytest.fixture
def end(zygote):
    """``end(process)``: 0 for success, -9 for killed."""
    return lambda process: os.waitstatus_to_exitcode(zygote("wait", process))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The published files by name."""
    xyz = catalogue.load_dataset("adp-mini").split("validation").positions
    folder = tmp_path_factory.mktemp("runs")
    shutil.copy(PDB, folder / "top.pdb")
    for number in range(RUNS):
        part = np.tile(xyz[100 * number : 100 * (number + 1)], (3, 1, 1))
        run = mdtraj.Trajectory(part, mdtraj.load_topology(str(PDB)), time=np.arange(300.0))
        run.save(str(folder / f"run{number}.xtc"))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def published(web, runs):
    """A server that takes its time."""
    site, address = web
    site.files = {f"/{name}": data for name, data in runs.items()}
    site.faults = {path: [("always",), ("slow", 10, 0.01)] for path in site.files}
    return site, address


@pytest.fixture
def card(published, runs, tmp_path):
    source = {
        "title": "runs",
        "access": "download",
        "licence": "none",
        "units": "nm",
        "mirrors": [published[1]],
        "trajectories": RUNS,
        "frame_ps": 1.0,
        "layout": {"topology": ["top.pdb"], "trajectories": ["run*.xtc"]},
        "files": [{"path": name} for name in sorted(runs)],
    }
    cuts = [{"kind": "trajectories", "parts": {"train": RUNS - 1, "test": 1}}]
    content = {
        **dict.fromkeys(("title", "licence", "citation", "limits", "frame_origin"), "none"),
        "schema_version": 1,
        "name": "runs",
        "version": 1,
        "tier": "paper",
        "atoms": 22,
        "temperature_K": 300.0,
        "frame_ps": 1.0,
        "force_field": {"simulated": [], "scored": []},
        "selection": {"residues": ["ACE", "ALA", "NME"], "hydrogens": True, "residue_count": 3},
        "simulation": {},
        "beads": {},
        "default_source": "public",
        "sources": {"public": source},
        "default_variant": "runs",
        "variants": {"runs": {"note": "", "cuts": cuts}},
        "unknown": ["nothing"],
    }
    path = tmp_path / "runs.toml"
    path.write_text(tomli_w.dumps(content))
    return path


def content(folder):
    """SHA-256 of everything that a fetch leaves and that must not depend on how often it was interrupted."""
    found = [path for path in [*folder.glob("raw/public/*"), *folder.glob("processed/*/**/*")] if path.is_file()]
    kept = [path for path in found if not path.name.startswith("hashes.json")]  # holds the time of the download
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


@pytest.mark.parametrize("kills", [3, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_random_moments_a_fetch_ends_in_the_same_bytes(
    runs, begin, end, published, tmp_path, kills, record_property
):
    began = time.monotonic()
    assert end(begin(tmp_path / "plain")) == 0
    whole = time.monotonic() - began
    expected = content(tmp_path / "plain")
    assert len(expected) == len(runs) + len({"topology.pdb", "positions.npy", "lengths.json"})
    chance, done, folder = np.random.default_rng(kills), 0, tmp_path / "killed0"
    for number in range(1000 * kills):
        process = begin(folder)
        time.sleep(chance.uniform(0.0, 0.7 * whole))
        os.kill(process, signal.SIGKILL)
        status = end(process)
        for path in folder.glob("raw/public/[rt]*"):
            assert path.name.startswith("tmp") or path.read_bytes() == runs[path.name], "a bad file under a good name"
        done += status == -signal.SIGKILL
        if status == 0 or done == kills:
            assert end(begin(folder)) == 0
            assert content(folder) == expected
            assert not list((folder / "raw/public/.work").glob("*.part*"))
            folder = tmp_path / f"killed{number + 1}"
        if done == kills:
            break
    record_property("kills", done)
    assert done == kills


def test_two_processes_at_once_fetch_every_file_once(runs, begin, end, published, tmp_path):
    both = [begin(tmp_path / "shared") for _ in range(2)]
    assert [end(one) for one in both] == [0, 0]
    assert sorted(path for path, *_ in published[0].asked) == sorted(f"/{name}" for name in runs)
    assert set(content(tmp_path / "shared")) >= {f"raw/public/{name}" for name in runs}
