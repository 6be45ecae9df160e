"""Who uses the house: tenants, their users, log-in, permissions."""
