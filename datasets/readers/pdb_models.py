"""PDB files model by model, in memory that does not grow with the number of models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mdtraj
import numpy as np
from mdtraj.utils.unitcell import lengths_and_angles_to_box_vectors
from numpy.typing import NDArray

from backmapbench.errors import DataError

NM_PER_ANGSTROM = 0.1


def models(path: Path) -> Iterator[list[str]]:
    """ATOM, HETATM and TER lines of each model in turn; of alternate locations the first one of each residue.

    A file without MODEL lines is one model. Raises DataError for a file that ends inside a model or has no atoms.
    """
    lines: list[str] = []
    inside, found = False, 0
    with path.open(encoding="utf-8", errors="replace") as handle:
        for line in handle:
            tag = line[:6].rstrip()
            if tag in {"ATOM", "HETATM", "TER"}:
                lines.append(line)
            elif tag == "MODEL":
                inside, lines = True, []
            elif tag == "ENDMDL":
                yield _one_location(lines)
                inside, lines, found = False, [], found + 1
    if inside:
        raise DataError(f"{path}: ends inside model {found + 1} (no ENDMDL): cut off; copy it again")
    if found == 0:
        if not any(line.startswith(("ATOM", "HETATM")) for line in lines):
            raise DataError(f"{path}: has no ATOM or HETATM lines; give a PDB file")
        yield _one_location(lines)


def coordinates(path: Path, lines: list[str], model: int) -> NDArray[np.float32]:
    """Positions (atoms, 3) in nm of one model. Raises DataError naming the first line that cannot be read."""
    atoms = [line for line in lines if not line.startswith("TER")]
    try:
        values = [(line[30:38], line[38:46], line[46:54]) for line in atoms]
        angstrom: NDArray[np.float64] = np.array(values, dtype="U8").astype(np.float64)
    except ValueError:
        bad = next(line for line in atoms if not _three_numbers(line))
        raise DataError(
            f"{path}: model {model}: no coordinates in '{bad.rstrip()}'; columns 31 to 54 hold them"
        ) from None
    return (angstrom * NM_PER_ANGSTROM).astype(np.float32)


def unit_cell(path: Path) -> NDArray[np.float32] | None:
    """Box vectors (3, 3) in nm from CRYST1; None without one or for the 1 Angstrom dummy of files without a box."""
    with path.open(encoding="utf-8", errors="replace") as handle:
        line = next((line for line in handle if line.startswith("CRYST1")), None)
    try:
        numbers = [] if line is None else [float(line[k : k + w]) for k, w in zip((6, 15, 24), (9, 9, 9), strict=True)]
        angles = [] if line is None else [float(line[k : k + 7]) for k in (33, 40, 47)]
    except ValueError:
        raise DataError(f"{path}: cannot read the unit cell '{(line or '').rstrip()}'; correct or remove it") from None
    if not numbers or min(numbers) <= 1.0:
        return None
    vectors = lengths_and_angles_to_box_vectors(*(n * NM_PER_ANGSTROM for n in numbers), *angles)
    return np.array(vectors, dtype=np.float32)


def first_model(path: Path) -> tuple[mdtraj.Topology, list[tuple[int, int]], NDArray[np.float32]]:
    """Topology with the names as written and no bonds, the pairs of atoms that CONECT joins, and positions (atoms, 3).

    Chains end where the identifier changes or at TER. Raises DataError for a line that cannot be read.
    """
    lines = next(models(path))
    topology = mdtraj.Topology()
    indices: dict[str, int] = {}
    chain, residue, last = None, None, None
    for line in lines:
        if line.startswith("TER"):
            last, chain = None, None
            continue
        place = (line[21], line[72:76].strip(), line[22:27], line[17:21].strip())
        if chain is None or last is None or last[0] != place[0]:
            chain = topology.add_chain(place[0].strip())
        if residue is None or last != place:
            residue = topology.add_residue(place[3], chain, _number(path, line), place[1])
        last = place
        indices[line[6:11]] = topology.n_atoms
        topology.add_atom(line[12:16].strip(), _element(line), residue)
    return topology, _conect(path, indices), coordinates(path, lines, 1)


def _one_location(lines: list[str]) -> list[str]:
    """Keep one alternate location per residue: the first that the file gives."""
    if all(line[16:17] in {" ", "", "\n"} for line in lines):
        return lines
    chosen: dict[str, str] = {}
    kept = []
    for line in lines:
        letter = line[16:17]
        if line.startswith("TER") or letter == " " or chosen.setdefault(line[21:27], letter) == letter:
            kept.append(line)
    return kept


def _three_numbers(line: str) -> bool:
    try:
        return len([float(line[k : k + 8]) for k in (30, 38, 46)]) == 3
    except ValueError:
        return False


def _number(path: Path, line: str) -> int:
    try:
        return int(line[22:26])
    except ValueError:
        raise DataError(f"{path}: no residue number in '{line.rstrip()}'; columns 23 to 26 hold it") from None


def _element(line: str) -> mdtraj.element.Element | None:
    symbol = line[76:78].strip().capitalize()
    try:
        return mdtraj.element.get_by_symbol(symbol) if symbol.isalpha() else None
    except KeyError:
        return None


def _conect(path: Path, indices: dict[str, int]) -> list[tuple[int, int]]:
    pairs = set()
    with path.open(encoding="utf-8", errors="replace") as handle:
        for line in handle:
            if line.startswith("CONECT"):
                fields = [line.rstrip("\n")[k : k + 5] for k in range(6, 31, 5)]
                first, *others = (indices.get(field.rjust(5)) if field.strip() else None for field in fields)
                pairs |= {tuple(sorted((first, o))) for o in others if first is not None and o is not None}
    return sorted((a, b) for a, b in pairs)
