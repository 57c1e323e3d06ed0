"""Thin edges: each command loads, calls a pure core, and saves."""
