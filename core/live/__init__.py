"""The call that goes on right now: what is heard in it, what it means, and what the seller might say."""
