"""Where the cache lies, and how patient a download is."""

import sys
from datetime import UTC, datetime

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backmapbench.datasets.download.cache import VARIABLE, cache_folder, dataset_folder
from backmapbench.datasets.download.policy import Policy, RefusedError, retry_after


def test_the_variable_decides_and_else_the_platform(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path
    assert dataset_folder("cln", 3) == tmp_path / "datasets" / "cln-v3"
    monkeypatch.setenv(VARIABLE, "~/here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "relative")
    assert cache_folder() == tmp_path / "relative"
    for unset in ("", "  "):
        monkeypatch.setenv(VARIABLE, unset)
        assert cache_folder() == platformdirs.user_cache_path("backmapbench", appauthor=False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="XDG_CACHE_HOME is Linux's convention")
def test_the_convention_of_linux(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "backmapbench"
    assert not (tmp_path / "xdg").exists()


@given(failures=st.integers(1, 40), asked=st.none() | st.floats(0, 300))
def test_waits_double_up_to_a_limit_and_never_undercut_the_server(failures, asked):
    waits = []
    Policy(first_wait_s=1.0, longest_wait_s=60.0, pause=waits.append).wait(failures, asked)
    doubled = min(60.0, 2.0 ** (failures - 1))
    assert max(doubled / 2, asked or 0.0) <= waits[0] <= max(doubled, asked or 0.0)


def test_waits_differ_between_clients():
    waits = []
    for _ in range(20):
        Policy(pause=waits.append).wait(3, None)
    assert len(set(waits)) > 10


def test_more_patience_than_the_limit_is_refused():
    with pytest.raises(RefusedError, match="asks to come back in 301 s"):
        Policy(pause=lambda _: None).wait(1, 301.0)


def test_a_stop_ends_a_wait():
    patient = Policy(first_wait_s=1e6, longest_wait_s=1e6)
    patient.stop.set()
    patient.wait(1, None)  # would hang otherwise


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("17", 17.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:30 -0000", 30.0),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(header, seconds):
    assert retry_after(header, datetime(2015, 10, 21, 7, 28, tzinfo=UTC)) == seconds
