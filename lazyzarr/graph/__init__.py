"""The compute half: nodes that answer "which regions of which inputs", plans made of them, and their runs."""
