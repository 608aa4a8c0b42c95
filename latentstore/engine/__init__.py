"""How the parts move together: the way of a write, the way of a query, what happens after a crash, and upkeep."""
