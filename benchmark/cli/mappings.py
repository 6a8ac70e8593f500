"""``backmapbench mappings``: learn beads from frames, compare ways to, and show what a mapping file holds."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from backmapbench.cli.mapping_tables import compared, shown
from backmapbench.cli.output import JsonFlag, err, out, print_json, progress_bar

if TYPE_CHECKING:
    from backmapbench.coarse_graining.learning import Method
    from backmapbench.coarse_graining.particles import Particles
    from backmapbench.coarse_graining.sources import LearningFrames

app = typer.Typer(no_args_is_help=True, help="Learn, compare and show mappings from atoms to beads.")

DatasetName = Annotated[str | None, typer.Argument(help="Dataset, see `backmapbench datasets ls`.")]
SplitOption = Annotated[str, typer.Option(help="Split of the dataset to learn from.")]
TopologyOption = Annotated[Path | None, typer.Option("--topology", help="Structure file of your own, with names.")]
TrajectoryOption = Annotated[
    list[Path] | None, typer.Option("--trajectory", help="Its frames, atoms in the same order; repeatable.")
]
ParticlesOption = Annotated[str, typer.Option(help="What is put into beads: ca, heavy or atoms.")]


@app.command("learn")
def mappings_learn(
    beads: Annotated[int, typer.Option("--beads", "-n", min=1, help="Number of beads.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Mapping file (TOML) to write.")],
    dataset: DatasetName = None,
    split: SplitOption = "train",
    topology: TopologyOption = None,
    trajectory: TrajectoryOption = None,
    particles: ParticlesOption = "ca",
    method: Annotated[str, typer.Option(help="autograin, contiguous or kmeans.")] = "autograin",
    variant: Annotated[str, typer.Option(help="Of AutoGrain: annealed, or legacy as published.")] = "annealed",
    restarts: Annotated[int | None, typer.Option(min=1, help="Of AutoGrain, instead of the variant's.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Put CA, heavy or all atoms into beads, learned from frames, and store the mapping with its provenance."""
    from backmapbench.coarse_graining.learning import learn
    from backmapbench.coarse_graining.mapping_file import MappingFile, write_mapping
    from backmapbench.coarse_graining.provenance import Origin
    from backmapbench.coarse_graining.settings import variant_settings
    from backmapbench.provenance import versions

    settings = variant_settings(variant)
    if restarts is not None:
        settings = replace(settings, restarts=restarts)
    frames = _frames(dataset, split, topology, trajectory)
    started = time.perf_counter()
    learned = learn(
        frames.topology,
        frames.positions,
        beads,
        particles=cast("Particles", particles),
        method=cast("Method", method),
        seed=seed,
        settings=settings,
    )
    wall = time.perf_counter() - started
    asked: dict[str, Any] = {"beads": beads, "particles": particles, "method": method, "seed": seed}
    if method == "autograin":
        asked |= {"variant": variant} | ({} if restarts is None else {"restarts": restarts})
    origin = Origin(
        command=_command(dataset, split, topology, trajectory, asked | {"output": output.name}),
        wall_seconds=round(wall, 3),
        versions=versions() | {"scikit-learn": version("scikit-learn")},
    )
    content = MappingFile.of(learned, frames.source, origin)
    write_mapping(output, content)
    if as_json:
        print_json({"file": str(output)} | content.model_dump(exclude_none=True))
        return
    out.print(
        f"{len(content.atoms)} {particles} particles in {beads} beads, objective "
        f"{content.objective.total_nm2:.6g} nm^2 on {content.source.frames} frames ({wall:.1f} s): wrote {output}",
        soft_wrap=True,
    )


@app.command("show")
def mappings_show(
    file: Annotated[Path, typer.Argument(help="Mapping file.")],
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Compute the objective again on the same frames and hold it against it.")
    ] = False,
    topology: TopologyOption = None,
    trajectory: TrajectoryOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the beads of a mapping file, their objective, and where they come from."""
    from backmapbench.coarse_graining.mapping_file import read_mapping
    from backmapbench.coarse_graining.recomputing import recomputed_objective

    content = read_mapping(file)
    again = None
    if recompute:
        source = content.source
        frames = _frames(None if topology else source.dataset, source.split or "", topology, trajectory)
        again = recomputed_objective(file, content, frames)
    if as_json:
        extra = {} if again is None else {"recomputed": asdict(again) | {"total_nm2": again.total_nm2}}
        print_json(content.model_dump(exclude_none=True) | extra)
        return
    for part in shown(file, content, again):
        out.print(part, soft_wrap=isinstance(part, str), markup=False)


@app.command("compare")
def mappings_compare(
    beads: Annotated[list[int], typer.Option("--beads", "-n", min=1, help="Number of beads; repeatable.")],
    dataset: DatasetName = None,
    split: SplitOption = "train",
    topology: TopologyOption = None,
    trajectory: TrajectoryOption = None,
    particles: ParticlesOption = "ca",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0 ... N-1.")] = 5,
    as_json: JsonFlag = False,
) -> None:
    """Print the objective that AutoGrain, its published variant, runs of the sequence and k-means reach."""
    from backmapbench.coarse_graining.comparison import WAYS, compare

    frames = _frames(dataset, split, topology, trajectory)
    kind = cast("Particles", particles)
    rows: list[dict[str, Any]] = []
    try:
        with progress_bar(as_json) as progress:
            bar = progress.add_task("comparing", total=len(beads) * ((len(WAYS) - 1) * seeds + 1))
            for count in beads:
                for found in compare(frames.topology, frames.positions, count, range(seeds), particles=kind):
                    learned = found.learned
                    rows.append(
                        {
                            "beads": count,
                            "way": found.way,
                            "seed": learned.seed,
                            "objective_nm2": learned.objective.total_nm2,
                            "reconstruction_nm2": learned.objective.reconstruction_nm2,
                            "lift_nm2": learned.objective.lift_nm2,
                            "wall_seconds": round(found.wall_seconds, 3),
                        }
                    )
                    progress.advance(bar)
    except KeyboardInterrupt:
        err.print("interrupted")
        raise typer.Exit(130) from None
    if as_json:
        print_json({"particles": particles, "source": frames.source.model_dump(exclude_none=True), "rows": rows})
        return
    out.print(compared(rows, f"objective, nm^2, of {particles} particles on {frames.source.frames} frames"))


def _frames(dataset: str | None, split: str, topology: Path | None, trajectories: list[Path] | None) -> LearningFrames:
    from backmapbench.coarse_graining.sources import frames_of_dataset, frames_of_files
    from backmapbench.errors import CardError

    if dataset is not None and topology is None and not trajectories:
        return frames_of_dataset(dataset, split)
    if dataset is None and topology is not None:
        return frames_of_files(topology, trajectories or [])
    raise CardError("give the name of a dataset, or --topology FILE with --trajectory FILE, and not both")


def _command(
    dataset: str | None,
    split: str,
    topology: Path | None,
    trajectories: list[Path] | None,
    options: dict[str, Any],
) -> str:
    """The command that makes the same file again; files by name, as their folder says nothing to others."""
    words = ["backmapbench", "mappings", "learn"]
    if dataset is not None:
        words += [dataset, "--split", split]
    if topology is not None:
        words += ["--topology", topology.name]
    for path in trajectories or []:
        words += ["--trajectory", path.name]
    for name, value in options.items():
        words += [f"--{name}", str(value)]
    return shlex.join(words)
