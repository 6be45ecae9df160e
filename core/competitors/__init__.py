"""Whom the customer compares us with: who they are, and where they were named."""
