"""The whole house, from outside. A package, so that its cluster ends with it."""
