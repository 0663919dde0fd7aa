"""A baseline to scale: networks of a space are trained briefly, and the best for a target is kept.

`spec` has the fields, `space` says which networks there are and `objective` which is best;
`searcher` suggests the next, `sampling` trains them in order, `finals` races the best, and `run` is
all of it, from top to bottom. `store` and `tables` are a search on disk, `answer` is what it found.
"""
