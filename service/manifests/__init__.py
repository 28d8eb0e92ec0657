"""What Kubernetes gets: the Job and its dependents as plain dicts, per scheduler profile. Pure."""
