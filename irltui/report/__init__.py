"""Reports of runs: one self-contained HTML page, and figures. Reads run folders, loads no model, draws no screen."""
