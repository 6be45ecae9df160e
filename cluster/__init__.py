"""Start, stop, submit, diagnose: builds the Serve application, and holds the command line."""
