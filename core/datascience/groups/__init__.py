"""Groups of customers that are alike: what is known of an account (`profile`), which group it falls into (`grouping`),
what a group is called (`words`). `training/customers.py` finds them; the feature store keeps who belongs where."""
