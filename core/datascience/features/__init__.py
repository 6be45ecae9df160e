"""The feature store: each value with when it was so and when it became known, so that training sees what serving saw.

PostgreSQL is the truth, Valkey holds the newest values, Parquet the history. `definitions` says what there is.
"""
