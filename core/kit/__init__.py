"""What every room may use: errors, database, events, clock, ids, money, pages, security, logs, audio, retry."""
