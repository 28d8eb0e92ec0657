"""Commands of the operator, besides the roles."""
