"""The shipped JSON Schemas, and what makes them. No command imports it."""
