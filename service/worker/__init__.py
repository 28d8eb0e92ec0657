"""One record handled: its partition, its turn, its outcome, and which offset may be committed."""
