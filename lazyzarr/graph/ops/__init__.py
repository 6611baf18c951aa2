"""Operation families, one a file: its nodes and the functions that make them (Node in, Node out)."""
