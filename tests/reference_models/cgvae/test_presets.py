"""Every number of Tables 4 to 7 of Kementzidis 2025, as printed there, row by row."""

import pytest

from backmapbench.errors import CardError, UnknownNameError, UnsupportedTaskError
from backmapbench.reference_models.cgvae.settings import load_preset, preset_for, presets

ROWS = [
    "edge_features", "graph_weight", "encoder_depth", "prior_depth", "decoder_depth", "atom_cutoff", "bead_cutoff",
    "width", "batch", "learning_rate", "epochs", "order", "kl_weight", "factor",
]  # fmt: skip
TABLES = {
    ("eif4e-ucg-{}", 1488, 3000): {
        10: "6 1.303 1 1 1 13.262 31.738 400 2 0.000078 100 3 0.002 0.210",
        19: "6 29.000 1 1 4 14.947 33.064 400 2 0.000064 100 1 0.040 0.131",
        50: "6 1.188 1 1 4 12.865 23.657 400 2 0.000054 100 1 0.002 0.106",
    },
    ("eif4e-ucg-{}-ca", 177, 3000): {
        10: "6 0.8014 4 4 6 40.296 81.525 389 2 0.0001814 30 1 0.000199 0.53875",
        19: "6 2.6083 6 6 5 47.771 69.453 421 2 0.0001719 30 1 0.00541 0.72021",
        50: "6 4.3745 3 3 7 43.03657 115.64641 563 2 0.00010339 30 6 0.022151 0.76064",
    },
    ("ped00151-ucg-{}", 376, 10000): {
        5: "6 8.0601 1 1 4 14.8905 29.2027 450 1 0.000165 100 1 0.0214 0.2294",
        8: "6 1.6931 2 2 4 11.4050 22.0893 400 1 0.0000986 100 1 0.0311 0.7787",
    },
    ("ped00151-ucg-{}-ca", 46, 10000): {
        5: "6 2.4581 4 4 10 47.9878 50.1431 569 2 0.0000975 30 1 0.00057 0.639",
        8: "6 0.7310 5 5 10 57.6470 100.343 507 2 0.000116 30 3 0.00207 0.916",
    },
}
CASES = [(*key, beads, line) for key, table in TABLES.items() for beads, line in table.items()]


@pytest.mark.parametrize(("name", "atoms", "frames", "beads", "line"), CASES)
def test_published_presets_hold_the_published_numbers(name, atoms, frames, beads, line):
    preset = load_preset(name.format(beads))
    data, model, loss, course = preset.data, preset.model, preset.loss, preset.training
    # Table 4 prints the effective batch, Table 6 the micro-batch; appendix D: micro-batches of 1, accumulated twice.
    batch = course.micro_batch * (course.accumulate if atoms == 1488 else 1)
    found = [
        model.edge_features, loss.graph_weight, model.encoder_depth, model.prior_depth, model.decoder_depth,
        model.atom_cutoff_angstrom, model.bead_cutoff_angstrom, model.width, batch, course.learning_rate,
        course.epochs, loss.order, loss.kl_weight, course.factor,
    ]  # fmt: skip
    assert dict(zip(ROWS, found, strict=True)) == dict(zip(ROWS, map(float, line.split()), strict=True))
    assert (data.atoms, data.beads, data.frames) == (atoms, beads, frames)
    assert course.micro_batch * course.accumulate == 2
    assert course.schedule == "plateau"
    assert course.clip == 0.01
    assert model.encoder_cutoff_angstrom is None


def test_every_embedded_task_has_a_small_preset():
    for atoms, beads, name in [
        (371, 5, "nls-mini-ucg-5"),
        (371, 8, "nls-mini-ucg-8"),
        (289, 3, "villin-mini-ucg-3"),
        (289, 5, "villin-mini-ucg-5"),
        (289, 10, "villin-mini-ucg-10"),
    ]:
        assert preset_for(atoms, beads) == name


def test_all_presets_are_valid():
    assert len(presets()) >= 16
    for name in presets():
        assert load_preset(name).data.source


def test_no_preset_is_guessed():
    with pytest.raises(UnsupportedTaskError, match="22 atoms in 6 beads"):
        preset_for(22, 6)
    with pytest.raises(UnknownNameError, match="ped00151-ucg-5"):
        load_preset("ped00151-ucg-6")


def test_a_run_has_one_length():
    load_preset("small-coarse", ("training.steps=5",))
    for changes in (("training.epochs=3",), ("training.steps=[]",)):
        with pytest.raises(CardError):
            load_preset("small-coarse", changes)
