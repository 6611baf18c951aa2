"""Data types, one family a file: their names in v2 and v3, their fill values, the elements they hold."""
