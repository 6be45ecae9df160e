"""A tenant's own rules: when something happens to a deal and a condition holds, something is done.

What a rule knows is a deal as it stood at a moment (`facts.py`), read from histories that are never rewritten. So the
same course (`course.py`) runs over an event as it comes and over those of last month, and a dry run tells what would
have been.
"""
