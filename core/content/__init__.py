"""Texts that we write for the seller, each fact in them traceable to where it is known from."""
