"""What a company has written down: documents, cut into passages, found by meaning and by words, quoted with their
place, and said not to be there where nothing answers."""
