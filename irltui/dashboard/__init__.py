"""The dashboard: runs on a terminal. Reads run folders, sends commands; never imports torch."""
