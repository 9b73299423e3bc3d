"""Triggers that wait for WeChat."""
