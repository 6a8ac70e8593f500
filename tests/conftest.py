"""Fixtures shared by all tests: the embedded task, read once."""

import pytest

from backmapbench.tasks import Task, load_task


@pytest.fixture(scope="session")
def task() -> Task:
    """The embedded alanine dipeptide task."""
    return load_task("adp-mini-temporal")
