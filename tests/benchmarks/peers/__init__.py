"""One program for each tracer, and what it needs from the package index beside it."""
