"""Strategies side by side: figures, charts, advice."""
