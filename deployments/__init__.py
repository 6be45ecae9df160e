"""Ray Serve: one deployment per file, each a thin shell around an engine of core that is handed in."""
