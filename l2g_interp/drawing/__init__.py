"""Logos, contribution tracks, pages, and formatting of numbers for people."""
