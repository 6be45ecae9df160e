"""A recorded call: accepted, kept, transcribed, handed out again."""
