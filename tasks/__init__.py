"""The tasks: a name and a policy around one call of the library."""
