"""Payloads and state transitions, frozen and without I/O.

One noun is one file; the same noun names the URL, the service, the table and the front end.
"""
