"""The people of a tenant: invited, changed, suspended; their passwords forgotten and set anew."""
