"""A local Imgur, API and image host in one process: `python -m standin`.

It shares no code with the client it is for, so that one mistake cannot hide in both.
"""
