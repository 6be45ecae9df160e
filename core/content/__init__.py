"""Drafts: what is known becomes facts (`facts`), facts become a text (`templates`), and no text may say more (`check`)."""
