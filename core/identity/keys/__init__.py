"""API keys: how machines come in, in the name of who made them."""
