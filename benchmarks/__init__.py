"""Benchmarks of speed and memory against reference implementations; `make bench` runs them all."""
