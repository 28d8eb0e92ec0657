"""The HTTP API: one file a resource, and what their answers have in common."""
