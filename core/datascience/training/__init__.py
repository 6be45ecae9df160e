"""Trainings: asked for by a person or by drift, run in processes of their own, found when they die, and told of."""
