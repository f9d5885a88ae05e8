"""The engine of scoring: all pairs of a set of embeddings compared, in one pass or exactly."""
