"""What a submission is: its identity and names, and the records it travels in. Pure."""
