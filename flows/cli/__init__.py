"""The command line: a flow from the shell, its server, and how it is stopped."""
