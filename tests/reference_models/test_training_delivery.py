"""What weights say of the training that made them."""

import resource
from pathlib import Path

from backmapbench import provenance
from backmapbench.reference_models.training import TrainingRequest
from backmapbench.reference_models.training.delivery import course
from backmapbench.reference_models.training.loop import TrainingResult


def test_weights_say_on_what_and_in_how_much_memory_they_were_trained(monkeypatch):
    monkeypatch.setattr(provenance, "accelerators", lambda before: f"everything since {before}")
    nowhere = Path("nowhere")
    result = TrainingResult(10, 1.234, 0.5, 8, nowhere, nowhere, nowhere)
    found = course("small", TrainingRequest("small", ("a=1",), nowhere, 3, 0), result)
    assert (found["steps"], found["seconds"], found["seed"], found["changes"]) == (10, 1.2, 3, ["a=1"])
    assert found["processor"] == provenance.processor()
    assert found["accelerator"] == "everything since {}"
    assert found["machine"]
    assert 10 < found["peak_memory_mb"] <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6 + 0.1
