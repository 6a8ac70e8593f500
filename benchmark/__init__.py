"""backmapbench: a benchmark for backmapping coarse-grained molecular models to atoms."""
