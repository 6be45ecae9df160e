"""The product: features, engines, persistence. Knows nothing of Ray and runs under plain uvicorn."""
