"""The brief training of one variant."""
