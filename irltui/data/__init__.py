"""Demonstrations: from a file or hub to token ids, with every dropped row counted. Knows no model."""
