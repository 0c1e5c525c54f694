"""What several test files need and is no fixture: servers to ask, albums, rows, processes."""
