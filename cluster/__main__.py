"""`python -m cluster` is `salesedge`, where the project is a folder and nothing is installed: in a job on Ray."""

from __future__ import annotations

from cluster.cli import app

if __name__ == "__main__":
    app()
