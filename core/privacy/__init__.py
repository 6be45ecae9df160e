"""What a person may ask of the house (LGPD, GDPR): consent, how long things are kept, a copy of it all, erasure."""
