"""The nearest-neighbour row: real training frames, looked up by their beads."""
