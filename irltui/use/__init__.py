"""Commands that use what a run learned; they need torch, and each runs in a process of its own."""
