"""Fixtures shared by all tests: the embedded task, read once."""

import pytest
from hypothesis import settings

from backmapbench.tasks import Task, load_task

# Laws are about values; how long an example takes on a busy machine is no part of them.
settings.register_profile("values", deadline=None)
settings.load_profile("values")


@pytest.fixture(scope="session")
def task() -> Task:
    """The embedded alanine dipeptide task."""
    return load_task("adp-mini-temporal")
