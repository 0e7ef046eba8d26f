"""What can be known of a run before it starts: its rows as the loss sees them, its memory, its time."""
