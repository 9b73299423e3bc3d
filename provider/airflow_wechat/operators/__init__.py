"""Operators that fetch reports."""
