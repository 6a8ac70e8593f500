"""Reading other people's structures and trajectories, and turning them into one store that maps into memory."""

from backmapbench.datasets.readers.chunks import Chunk, TruncatedFileWarning, stream
from backmapbench.datasets.readers.ingest import ingest
from backmapbench.datasets.readers.inspection import Inspection, inspect
from backmapbench.datasets.readers.matching import AtomMatch, match_atoms
from backmapbench.datasets.readers.store import RawTrajectory, open_split
from backmapbench.datasets.readers.topology import read_topology
from backmapbench.datasets.readers.whole import make_whole

__all__ = [
    "AtomMatch",
    "Chunk",
    "Inspection",
    "RawTrajectory",
    "TruncatedFileWarning",
    "ingest",
    "inspect",
    "make_whole",
    "match_atoms",
    "open_split",
    "read_topology",
    "stream",
]
