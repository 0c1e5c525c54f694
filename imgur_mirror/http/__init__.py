"""What any request needs, whichever library sends it."""
