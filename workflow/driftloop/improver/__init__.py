"""The Improver: repairs, and the gate that a repair has to pass."""
