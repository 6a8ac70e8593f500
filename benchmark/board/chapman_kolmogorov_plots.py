"""Pictures of the Chapman-Kolmogorov test."""

from __future__ import annotations

import numpy as np

from backmapbench.board.figures import INK, Plot, panels, row_colours, to_svg
from backmapbench.board.kinetics_plots import Kinetics
from backmapbench.metrics.markov_validation import chapman_kolmogorov, metastable_sets


def persistence(found: Kinetics) -> Plot | None:
    """How long each row stays in the reference's metastable sets, counted and as its model at one lag says.

    None where the reference has no process slower than the lag (one set) or records lack the counts at longer lags.
    """
    processes, lags, lag = found.resolved, found.known.lags, found.known.lag_frames
    if processes == 0 or "reference" not in found.lagged:
        return None
    sets = min(4, processes + 1)  # as Shmilovich 2022 figs 24, 26, 28, 30, where there are so many
    memberships = metastable_sets(found.counts["reference"], sets)
    chosen = [place for place, each in enumerate(lags) if each % lag == 0]
    multiples = [lags[place] // lag for place in chosen]
    times = np.array(multiples) * found.known.lag_ps
    rows = {name: counts for name, counts in found.lagged.items() if len(found.posteriors[name].active) > 1}
    colours = {"reference": INK, **row_colours(found.board)}
    figure, axes = panels(len(rows) * sets, sets, (1.9, 1.25), sharex=True, sharey=True)
    for row, (name, counts) in enumerate(rows.items()):
        test = chapman_kolmogorov(counts[chosen], multiples, memberships, found.posteriors[name])
        for number in range(sets):
            place = axes[row * sets + number]
            for values, style in ((test.predicted, "--"), (test.estimated, "o")):
                place.plot(times, values[:, number, number], style, color=colours[name], linewidth=1.2, markersize=3)
            low, high = (side[:, number, number] for side in (test.low, test.high))
            place.fill_between(times, low, high, color=colours[name], alpha=0.18, linewidth=0)
            place.set_ylim(0.0, 1.05)
            place.set_xlim(left=0.0)
            place.set_title(f"set {number + 1}" if row == 0 else "")
        axes[row * sets].set_ylabel(name, rotation=0, ha="right", va="center")
    figure.supxlabel("time (ps)", fontsize=8.5)
    caption = (
        f"Chapman-Kolmogorov test: the chance to be in a metastable set a while after having been in it. The {sets} "
        "sets are those of the reference (PCCA+). Dashed, with 95 % interval: what each row's Markov model at a lag of "
        f"{found.known.lag_ps:g} ps says; points: models at longer lags. They agree where the row's model is Markovian."
    )
    alt = f"Chapman-Kolmogorov test of {', '.join(rows)} on {sets} metastable sets."
    return Plot("Chapman-Kolmogorov test", caption, to_svg(figure, f"{found.board.task}-chapman", alt))
