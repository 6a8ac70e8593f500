"""Any beads to heavy atoms: C-alphas by flow matching, the rest by internal coordinates."""
