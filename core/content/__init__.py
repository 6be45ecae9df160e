"""Drafts: what is known becomes facts, facts become a text, and no text may say more than they carry."""
