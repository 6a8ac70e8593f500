"""Presets of ``internal-coordinates``, one TOML file each."""
