"""``backmapbench datasets``: list, verify, simulate and pack datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from backmapbench.cli.output import JsonFlag, err, out, print_json, progress_bar

app = typer.Typer(no_args_is_help=True, help="List, verify, simulate and pack datasets.")


@app.command("ls")
def datasets_ls(as_json: JsonFlag = False) -> None:
    """List datasets with size, tier and licence."""
    from backmapbench.datasets.catalogue import dataset_names, load_dataset

    cards = [load_dataset(name).card for name in dataset_names()]
    rows = [
        {
            "name": card.name,
            "version": card.version,
            "tier": card.tier,
            "atoms": card.atoms,
            "frames": sum(split.frames for split in card.splits.values()),
            "MB": round(sum(split.bytes for split in card.splits.values()) / 1e6, 2),
            "licence": card.licence,
            "title": card.title,
        }
        for card in cards
    ]
    if as_json:
        print_json(rows)
        return
    table = Table()
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    out.print(table)


@app.command("verify")
def datasets_verify(
    names: Annotated[list[str] | None, typer.Argument(help="Datasets; default: all.")] = None, as_json: JsonFlag = False
) -> None:
    """Check the hash of every file of the datasets."""
    from backmapbench.datasets.catalogue import dataset_names, load_dataset

    checked = {name: [str(path) for path in load_dataset(name).verify()] for name in names or dataset_names()}
    if as_json:
        print_json(checked)
        return
    for name, paths in checked.items():
        out.print(f"{name}: {len(paths)} files are what the card says")


@app.command("simulate")
def datasets_simulate(
    name: Annotated[str, typer.Argument(help="Recipe, see `backmapbench datasets ls`.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Run folder; default: NAME-run.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, one core each.")] = 1,
    trajectories: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's number.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames per trajectory instead of the recipe's.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a recipe; run again to continue after an interruption, with the same result as an unbroken run."""
    from backmapbench.datasets.simulation import load_recipe, simulate

    overrides = {key: value for key, value in (("trajectories", trajectories), ("frames", frames)) if value is not None}
    recipe = load_recipe(name, overrides)
    folder = output or Path(f"{name}-run")
    try:
        with progress_bar(as_json) as progress:
            bar = progress.add_task(f"simulating {name}", total=recipe.trajectories * recipe.parts)

            def tell(finished: int, total: int) -> None:
                progress.update(bar, completed=finished, total=total)

            provenance = simulate(recipe, folder, workers, tell)
    except KeyboardInterrupt:
        err.print(f"interrupted; run the same command again to continue in {folder}")
        raise typer.Exit(130) from None
    if as_json:
        print_json(provenance)
    else:
        out.print(
            f"simulated {provenance['simulated_ns']:g} ns into {folder} ({provenance['core_seconds']:g} core seconds)"
        )


@app.command("pack")
def datasets_pack(
    name: Annotated[str, typer.Argument(help="Recipe whose run is finished.")],
    run_folder: Annotated[Path, typer.Option("--run", help="The run folder.")],
    as_json: JsonFlag = False,
) -> None:
    """Cut the embedded splits from a finished run and write the dataset's card (for maintainers)."""
    from backmapbench.datasets.packing import pack
    from backmapbench.datasets.simulation import load_recipe

    card = pack(load_recipe(name), run_folder)
    if as_json:
        print_json({"card": str(card)})
    else:
        out.print(f"wrote {card}", soft_wrap=True)
