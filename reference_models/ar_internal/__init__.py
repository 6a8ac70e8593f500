"""A small learned temporal model: internal coordinates drawn frame after frame, given beads and the frame before."""
