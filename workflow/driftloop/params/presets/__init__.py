"""The presets: Hydra config groups that `driftloop configure` composes."""
