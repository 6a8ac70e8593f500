"""Ultra-coarse beads to atoms in one step: a conditional variational auto-encoder with an equivariant decoder.

After the published CGVAE (Wang et al., ICML 2022) as Kementzidis 2025 uses it, written anew on sparse edges. It comes
with two behaviours: ``legacy`` does what the published code does where that is an error, ``fixed`` what was meant.
"""
