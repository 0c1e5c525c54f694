"""Millions of links: a list cut into shards, and what became of each."""
