"""Second factors: one-time codes by time (TOTP, RFC 6238) and recovery codes."""
