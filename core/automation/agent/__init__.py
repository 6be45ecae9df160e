"""The follow-up agent: one per tenant. It takes events in order, decides what should be done, and says why."""
