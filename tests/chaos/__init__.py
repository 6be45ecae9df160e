"""Everything is killed in turn while people work, and in the end nothing is lost and nothing happened twice."""
