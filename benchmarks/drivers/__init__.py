"""Programs that do the work which is timed, each in the Python that it is about."""
