"""What an application says of itself: log lines with a correlation id and no secret in them, and whether it is well."""
