"""Several runs at once: studies, seeds and grids, and the jobs that carry them out."""
