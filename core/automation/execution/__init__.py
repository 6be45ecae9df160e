"""Approved tasks are carried out: durable, counted, with a pause for each company and a stop for all."""
