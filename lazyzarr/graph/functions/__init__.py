"""NumPy's functions on nodes: each takes arrays of any kind, in NumPy's signature, and gives the node of the result."""
