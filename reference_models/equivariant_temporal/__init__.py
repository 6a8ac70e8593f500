"""Atoms drawn frame after frame from beads now and atoms before, exactly equivariant, beads kept by construction."""
