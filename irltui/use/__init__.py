"""What a finished run learned, put to use: commands that need torch, each a process of its own."""
