"""What a run is told: the schema, where values come from, and what is wrong with them."""
