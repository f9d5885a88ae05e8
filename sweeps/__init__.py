"""Many trials: the search, its record, its mirror and what it exports."""
