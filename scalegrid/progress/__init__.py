"""What a person sees of a running sweep, and how long it takes."""
