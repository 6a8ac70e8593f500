"""The null row: every atom on its bead."""
