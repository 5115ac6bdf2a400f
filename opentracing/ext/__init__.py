"""The path under which OpenTracing 1.x kept its extensions."""
