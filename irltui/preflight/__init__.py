"""What can be known about a run before it starts: its rows as the loss sees them, its memory, its time."""
