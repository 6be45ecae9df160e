"""Tasks: what the follow-up agent and rules want done, what people say to it, and how it is carried out."""
