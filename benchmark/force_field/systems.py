"""OpenMM Systems for scoring: the task's force field in vacuum, no cutoff, no constraints."""

from __future__ import annotations

import openmm
from openmm import app

from backmapbench.errors import CardError
from backmapbench.force_field.interactions import ForceFieldError

FIRST_CAPS = {
    "ACE": {"CH3": "CAY", "C": "CY", "O": "OY", "H1": "HY1", "H2": "HY2", "H3": "HY3"},
}
LAST_CAPS = {
    "NME": {"N": "NT", "H": "HNT", "C": "CAT", "H1": "HT1", "H2": "HT2", "H3": "HT3"},
    "NMA": {"N": "NT", "H": "HNT", "CH3": "CAT", "H1": "HT1", "H2": "HT2", "H3": "HT3"},
    "NH2": {"N": "NT", "HN1": "HT1", "HN2": "HT2"},
}
"""Residue names of caps, with CHARMM's names for their atoms as part of the neighbouring residue."""


def scoring_system(topology_path: str, files: tuple[str, ...]) -> openmm.System:
    """System of all atoms of a PDB file under OpenMM force-field files, in vacuum, no cutoff, no constraints.

    Where the force field has no template for a cap (CHARMM knows caps as patches), each cap is first merged into its
    terminal residue; the order of atoms stays.

    Raises CardError when the force field does not fit the molecule.
    """
    topology = app.PDBFile(topology_path).topology
    try:
        field = app.ForceField(*files)
        if any(residue.name in FIRST_CAPS | LAST_CAPS for residue in field.getUnmatchedResidues(topology)):
            topology = merge_caps(topology)
        return field.createSystem(
            topology, nonbondedMethod=app.NoCutoff, constraints=None, rigidWater=False, removeCMMotion=False
        )
    except Exception as error:  # OpenMM raises a bare one where two templates fit a residue
        names = ", ".join(files)
        raise CardError(f"force field {names} does not fit {topology_path} ({error}); correct the card") from error


def merge_caps(topology: app.Topology) -> app.Topology:
    """A copy with every cap (ACE; NME, NMA, NH2) as part of the amino-acid residue that it is bonded to.

    Atoms keep their order; atoms of caps take CHARMM's names, so that names stay unique in the merged residue.

    Raises ForceFieldError for a cap whose neighbour in the chain is not bonded to it.
    """
    hosts = {residue: _host(residue) for residue in topology.residues() if residue.name in FIRST_CAPS | LAST_CAPS}
    merged = app.Topology()
    merged.setPeriodicBoxVectors(topology.getPeriodicBoxVectors())
    copies = {}
    for chain in topology.chains():
        new_chain = merged.addChain(chain.id)
        new_residues: dict[app.topology.Residue, app.topology.Residue] = {}
        for residue in chain.residues():
            host = hosts.get(residue, residue)
            if host not in new_residues:
                new_residues[host] = merged.addResidue(host.name, new_chain, host.id, host.insertionCode)
            names = (FIRST_CAPS | LAST_CAPS)[residue.name] if residue in hosts else {}
            for atom in residue.atoms():
                name = names.get(atom.name, atom.name)
                copies[atom] = merged.addAtom(name, atom.element, new_residues[host], atom.id, atom.formalCharge)
    for bond in topology.bonds():
        merged.addBond(copies[bond[0]], copies[bond[1]], bond.type, bond.order)
    return merged


def _host(cap: app.topology.Residue) -> app.topology.Residue:
    """The residue next to a cap that it is bonded to."""
    residues = list(cap.chain.residues())
    place = residues.index(cap) + (1 if cap.name in FIRST_CAPS else -1)
    if 0 <= place < len(residues):
        for first, second in cap.external_bonds():
            if residues[place] in (first.residue, second.residue):
                return residues[place]
    side = "next" if cap.name in FIRST_CAPS else "previous"
    raise ForceFieldError(f"cap {cap.name} {cap.id} is not bonded to the {side} residue; correct the topology's bonds")
