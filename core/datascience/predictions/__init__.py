"""The prediction engine: picks a model, answers with reasons and intervals, says what it rests on, and logs it."""
