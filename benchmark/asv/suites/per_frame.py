"""Seconds for 2,000 frames of alanine dipeptide: what users pay per frame. Lower is better throughout."""

import numpy as np

from backmapbench.metrics import Frames
from backmapbench.tasks import load_task

FRAMES = 2000


class _OnTask:
    """The scored split's first trajectory, and the same with noise."""

    timeout = 300

    def setup(self):
        self.task = load_task("adp-mini-temporal")
        reference = self.task.atoms("test").positions[:FRAMES]
        noise = np.random.default_rng(0).normal(scale=0.01, size=reference.shape)
        self.reference, self.prediction = reference, (reference + noise).astype(np.float32)

    def metric(self, name):
        return self.task.metrics([name])[0]

    def frames(self):
        """Fresh objects, so that nothing is cached from the repetition before."""
        return Frames(self.reference[None]), Frames(self.prediction[None])


class CoarseGraining(_OnTask):
    """Atom positions to beads, and atom forces to bead forces."""

    version = "1"

    def time_positions(self):
        self.task.mapping.positions(self.reference)

    def time_forces(self):
        self.task.mapping.forces(self.reference)


class Metrics(_OnTask):
    """Statistics of one chunk, by metric."""

    version = "1"
    params = ["ged", "energy_w1_kt", "fes_rmse_kt", "hidden_torsion_timescale_log_error"]
    param_names = ["metric"]

    def setup(self, name):
        super().setup()
        self.fitted = self.metric(name)

    def time_statistics(self, name):
        self.fitted.statistics(*self.frames())


class Lookup(_OnTask):
    """Nearest training frames for every bead frame; building the tree is timed apart."""

    version = "1"

    def setup(self):
        from backmapbench.submissions.registry import load_model

        super().setup()
        self.training, self.system = self.task.training_set(), self.task.system
        self.model, _ = load_model("lookup")
        self.model.fit(self.system, self.training, 0)
        beads = self.task.beads("test")
        self.beads = type(beads)(beads.positions[:FRAMES], (FRAMES,), beads.frame_ps)

    def time_fit(self):
        self.model.fit(self.system, self.training, 0)

    def time_backmap(self):
        self.model.backmap(self.system, self.beads, 1, 0)
