"""Doors to other servers: PostgreSQL's neighbours (Valkey, object stores, MLflow, later Kafka)."""
