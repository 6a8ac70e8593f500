"""Fetching published files into a cache: every file is what its card, or the first trusted download, says it is."""
