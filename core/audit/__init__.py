"""Who did what, when and from where: an append-only trail for each tenant, in which no line can be changed unseen."""
