"""What fills the terminal: one module a screen. Screens ask the store and tell widgets; none reads a file."""
