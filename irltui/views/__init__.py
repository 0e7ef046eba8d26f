"""Several runs beside each other: what the command line, the dashboard and reports say of them. Draws nothing."""
