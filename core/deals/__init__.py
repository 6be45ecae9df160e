"""What is being sold: accounts, contacts, deals with the history of every change, and each contact with the customer."""
