"""Presets of ``cgvae``, one TOML file each: Tables 4 to 7 of paper 002, and small ones for the embedded tasks."""
