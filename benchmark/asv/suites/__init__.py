"""asv benchmarks: throughput per frame and the whole embedded evaluation."""
