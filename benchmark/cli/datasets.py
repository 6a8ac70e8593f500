"""``backmapbench datasets``: list, fetch, verify, simulate and pack datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

from backmapbench.cli.conditional import hold_beads, pack_held
from backmapbench.cli.output import JsonFlag, err, out, print_json, progress_bar

if TYPE_CHECKING:
    from backmapbench.datasets.catalogue import Dataset

app = typer.Typer(no_args_is_help=True, help="List, fetch, verify, simulate and pack datasets.")
app.command("hold-beads")(hold_beads)
app.command("pack-held")(pack_held)


@app.command("ls")
def datasets_ls(as_json: JsonFlag = False) -> None:
    """List datasets with size, tier, licence and whether they are on this machine."""
    from backmapbench.datasets.catalogue import dataset_names, load_dataset

    rows = [_listed(load_dataset(name)) for name in dataset_names()]
    if as_json:
        print_json(rows)
        return
    columns = [column for column in rows[0] if column != "title"]  # the whole text is in --json and in `describe`
    texts = [["?" if row[column] is None else str(row[column]) for column in columns] for row in rows]
    table = Table(box=None, pad_edge=False)
    for column, cells in zip(columns, zip(*texts, strict=True), strict=True):
        longest = max(map(len, (column, *cells)))
        table.add_column(column, no_wrap=True, width=min(longest, 13))  # licences may be sentences
    for line in texts:
        table.add_row(*line)
    out.print(table)


def _listed(dataset: Dataset) -> dict[str, object]:
    """One row of the list. Frames and MB are those of the files (of the download), None where they are not known."""
    from backmapbench.datasets.download.dataset import download_bytes
    from backmapbench.datasets.schema import EmbeddedCard

    card = dataset.card
    if isinstance(card, EmbeddedCard):
        frames: int | None = sum(split.frames for split in card.splits.values())
        size: int | None = sum(split.bytes for split in card.splits.values())
    else:
        source = card.sources[card.default_source or next(iter(card.sources))]
        frames, size = source.frames, download_bytes(source)
    return {
        "name": card.name,
        "version": card.version,
        "tier": card.tier,
        "presence": dataset.presence(),
        "atoms": card.atoms,
        "frames": frames,
        "MB": None if size is None else round(size / 1e6, 2),
        "licence": card.licence,
        "title": card.title,
    }


@app.command("verify")
def datasets_verify(
    names: Annotated[list[str] | None, typer.Argument(help="Datasets; default: all that are on this machine.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check the hash of every file of the datasets."""
    from backmapbench.datasets.catalogue import dataset_names, load_dataset

    datasets = [load_dataset(name) for name in names or dataset_names()]
    absent = [dataset.card.name for dataset in datasets if not names and dataset.presence() == "absent"]
    checked = {
        dataset.card.name: [str(path) for path in dataset.verify()]
        for dataset in datasets
        if dataset.card.name not in absent
    }
    if as_json:
        print_json(checked)
        return
    for name, paths in checked.items():
        out.print(f"{name}: {len(paths)} files are what the card says")
    for name in absent:
        out.print(f"{name}: not on this machine")


@app.command("fetch")
def datasets_fetch(
    name: Annotated[str, typer.Argument(help="Dataset of tier 'paper', see `backmapbench datasets ls`.")],
    from_folder: Annotated[
        Path | None, typer.Option("--from-folder", help="Take your own copy from this folder; nothing is downloaded.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Instead of the card's default source.")] = None,
    mirror: Annotated[
        list[str] | None, typer.Option("--mirror", help="Address to try before the card's; repeatable.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Files at a time.")] = 4,
    offline: Annotated[bool, typer.Option("--offline", help="Use only what was downloaded before.")] = False,
    optional: Annotated[bool, typer.Option("--optional", help="Also fetch files that no split needs.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Download a published dataset, check it and make its splits; run again to continue after an interruption."""
    from backmapbench.datasets.catalogue import load_dataset
    from backmapbench.datasets.download.dataset import Options, fetch_dataset
    from backmapbench.datasets.download.dataset import from_folder as take_from_folder
    from backmapbench.datasets.schema import PaperCard

    dataset = load_dataset(name)
    if not isinstance(dataset.card, PaperCard):
        out.print(f"{name} ships with the package: there is nothing to fetch")
        return
    try:
        with _FetchDisplay(as_json) as display:
            options = Options(
                source=source,
                mirrors=mirror or (),
                jobs=jobs,
                offline=offline,
                optional=optional,
                progress=display.downloaded,
                ingested=display.ingested,
            )
            if from_folder is None:
                manifest = fetch_dataset(dataset.card, dataset.folder, options)
            else:
                manifest = take_from_folder(dataset.card, from_folder, dataset.folder, options)
    except KeyboardInterrupt:
        err.print("interrupted; run the same command again to continue")
        raise typer.Exit(130) from None
    if as_json:
        print_json(manifest.model_dump())
        return
    out.print(f"{name}: {len(manifest.lengths)} trajectories, {sum(manifest.lengths)} frames in {dataset.folder}")
    for note in manifest.notes:
        out.print(f"note: {note}", soft_wrap=True)


class _FetchDisplay:
    """Progress bars of a download, one per file, and of the processing after it."""

    def __init__(self, quiet: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self.files = Progress(*columns, console=err, disable=quiet)
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.tasks:  # a display that never started would leave an empty line before the error
            self.files.stop()

    def downloaded(self, path: str, done: int, total: int | None) -> None:
        """Bytes of one file so far."""
        if path not in self.tasks:
            self.files.start()  # not before: an error without a download stays one line
            self.tasks[path] = self.files.add_task(path, total=total)
        self.files.update(self.tasks[path], completed=done, total=total)

    def ingested(self, done: int, total: int) -> None:
        """Trajectories processed so far."""
        if not self.files.disable and (done == total or done % 100 == 0):
            self.files.print(f"processed {done} of {total} trajectories")


@app.command("simulate")
def datasets_simulate(
    name: Annotated[str | None, typer.Argument(help="Recipe, see `backmapbench datasets ls`.")] = None,
    pdb: Annotated[Path | None, typer.Option("--pdb", help="A protein of your own, cleaned by pdbfixer.")] = None,
    variant: Annotated[str | None, typer.Option("--variant", help="Another solvent or size the recipe offers.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Run folder; default: NAME-run.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, one core each.")] = 1,
    trajectories: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's number.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames per trajectory instead of the recipe's.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a recipe; run again to continue after an interruption, with the same result as an unbroken run."""
    from backmapbench.datasets.simulation import load_recipe, protein_recipe, simulate
    from backmapbench.errors import CardError

    asked = {"trajectories": trajectories, "frames": frames, "variant": variant}
    overrides = {key: value for key, value in asked.items() if value is not None}
    if pdb is not None and name is None:
        recipe = protein_recipe(pdb, overrides)
    elif name is not None and pdb is None:
        recipe = load_recipe(name, overrides)
    else:
        raise CardError("give the name of a recipe, or --pdb FILE, and not both")
    folder = output or Path(f"{recipe.name}-run")
    try:
        with progress_bar(as_json) as progress:
            bar = progress.add_task(f"simulating {recipe.name}", total=None)

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
