"""The run folder: the only thing engine and viewers share. No torch, no screen."""
