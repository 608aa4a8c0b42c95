"""Studies: a sample of a space, a pure function over it, findings, and what is kept of them."""
