"""Measures where the weights should live: cold starts, latency, throughput, memory and cost of each architecture."""
