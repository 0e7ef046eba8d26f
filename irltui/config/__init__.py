"""The configuration of a run: its schema, its layers of values, and messages about mistakes."""
