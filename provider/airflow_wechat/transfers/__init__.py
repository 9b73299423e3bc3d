"""Operators that land reports."""
