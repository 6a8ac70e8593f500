"""Recognising OpenMM custom forces by their energy expressions, whatever the spaces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from backmapbench.force_field.interactions import ForceFieldError

NUMBER = r"[0-9.]+(?:[eE][-+]?[0-9]+)?"


def normalise(expression: str) -> str:
    """The expression without spaces and without a closing semicolon."""
    return re.sub(r"\s+", "", expression).rstrip(";")


def literal(text: str) -> str:
    """Pattern that matches ``text`` exactly, a named ``@name@`` in it standing for a number."""
    pattern = re.escape(normalise(text))
    return re.sub(r"@(\w+)@", rf"(?P<\1>{NUMBER})", pattern)


def match(expression: str, patterns: Sequence[str]) -> tuple[int, dict[str, float]] | None:
    """Which of ``patterns`` the whole expression follows, and its numbers (those absent from it left out)."""
    text = normalise(expression)
    for index, pattern in enumerate(patterns):
        found = re.fullmatch(pattern, text)
        if found:
            return index, {name: float(value) for name, value in found.groupdict().items() if value is not None}
    return None


def recognise(force: Any, patterns: Sequence[str]) -> tuple[int, dict[str, float]]:
    """As ``match``, of a force's energy expression. Raises ForceFieldError naming it when it follows none."""
    found = match(force.getEnergyFunction(), patterns)
    if found is None:
        raise ForceFieldError(f"{describe(force)} has no counterpart in torch; leave it out or score with OpenMM")
    return found


def describe(force: Any) -> str:
    """The force's class, with its expression where it has one."""
    name = type(force).__name__
    expression = getattr(force, "getEnergyFunction", None)
    return name if expression is None else f"{name} '{expression()}'"


def columns(force: Any, names: Sequence[str], kind: str) -> list[int]:
    """Places of ``names`` among a custom force's parameters per ``kind`` ("Bond", "Torsion", "Particle").

    Raises ForceFieldError when the force has others: the same letters may then mean something else.
    """
    count = getattr(force, f"getNumPer{kind}Parameters")()
    present = [getattr(force, f"getPer{kind}ParameterName")(index) for index in range(count)]
    if sorted(present) != sorted(names) or force.getNumGlobalParameters():
        wanted = ", ".join(names)
        raise ForceFieldError(f"{describe(force)} must have the per-{kind.lower()} parameters {wanted} and no others")
    return [present.index(name) for name in names]
