"""Small real things for the tests: models of a few thousand parameters, run folders, demonstrations."""
