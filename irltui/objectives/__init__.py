"""Objectives: what a run minimises over its demonstrations."""
