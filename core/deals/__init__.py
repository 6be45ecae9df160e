"""What is being sold: accounts, contacts, deals with the history of every change, every touch with the customer."""
