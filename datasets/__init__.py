"""Datasets: cards, loaders, recipes and the data embedded in the package."""
