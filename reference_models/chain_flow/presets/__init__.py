"""Presets of ``chain-flow``."""
