"""Logos, contribution tracks, pages, and numbers as people write them."""
