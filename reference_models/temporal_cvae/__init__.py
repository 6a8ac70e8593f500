"""The voxel cVAE of Shmilovich et al. 2022 (J. Phys. Chem. A 126, 9124), and its twin that sees no frame before.

Atoms and beads are densities on a grid; a conditional variational autoencoder of 3-d convolutions draws the atoms of a
frame from its beads and the atoms of the frame before. Presets are the TOML files in this folder: ``adp-paper`` and
``cln-paper`` as published, ``adp-small`` and ``cln-small`` for two CPU cores with what later experience recommends.
"""
