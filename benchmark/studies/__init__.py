"""Numerical studies that back the suite's rules; run as modules, they print tables for the documentation."""
