"""Who somebody is: log-in, sessions and their tokens, second factors, keys for machines, single sign-on."""
