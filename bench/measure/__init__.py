"""Measures the server beside its peers; `bench/run.sh` is the way in."""
