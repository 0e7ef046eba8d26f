"""The engine: a process of its own that trains one run and talks only through the run folder."""
