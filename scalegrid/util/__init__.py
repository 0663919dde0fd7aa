"""Errors, files, processes, text and strict YAML; nothing here knows about networks or sweeps."""
