"""Benchmarks: `make bench` runs all, `make bench ONLY=name` one. Each measures its peer in the same run."""
