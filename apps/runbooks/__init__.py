"""The runbooks a check or an issue points to."""
