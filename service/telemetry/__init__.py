"""What the service says of itself: logs and metrics."""
