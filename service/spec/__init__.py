"""What a request may say: strict JSON, and the rule of each kind of parameter. Pure."""
