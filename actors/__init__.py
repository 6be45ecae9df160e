"""Long-lived state on Ray: thin shells around plain classes of core."""
