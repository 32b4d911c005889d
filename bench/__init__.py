"""Benchmarks: each thing beside a peer and the floor, in one run. `make bench`; docs/benchmarks.md."""
