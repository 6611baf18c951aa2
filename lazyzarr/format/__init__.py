"""The format half: bytes, metadata and chunks; it knows nothing of graphs."""
