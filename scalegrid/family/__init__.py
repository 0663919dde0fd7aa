"""The scaled family of a baseline, and the families that others have published."""
