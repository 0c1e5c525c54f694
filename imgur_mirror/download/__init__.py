"""Images over the wire: what is missing, fetched, checked and committed."""
