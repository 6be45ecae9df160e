"""The data science core: features, models as they are served, the engine that predicts with them, and their drift."""
