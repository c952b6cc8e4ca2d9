"""Tornado: requests in, actors recognised, errors mapped. What is done is in the table of operations."""
