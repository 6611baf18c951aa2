"""The codecs: a family a file, compiled once an array into a chain."""
