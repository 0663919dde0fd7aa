"""What the commands print: each a thin skin over the library."""
