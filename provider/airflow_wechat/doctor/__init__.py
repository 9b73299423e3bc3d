"""The doctor: examines a connection to WeChat and the database behind it, and says what to do.

Spends one request a report at most, repeats none, renews no token and touches no quota.
"""
