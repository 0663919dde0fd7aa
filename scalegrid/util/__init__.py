"""What every room may need: errors, files, processes, text, strict YAML."""
