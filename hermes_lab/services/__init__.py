"""Use cases, one file a noun. They know no tornado and no jupyter_server."""
