"""The results of sweeps on disk: schema, rows, the store that writes them, and loading."""
