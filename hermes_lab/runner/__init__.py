"""Executing notebooks: kernels, their outputs, and the process that holds them. Usable without a server."""
