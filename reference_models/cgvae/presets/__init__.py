"""Presets of ``cgvae``, a TOML file each: Tables 4 to 7 of Kementzidis 2025, and small ones for the embedded tasks."""
