"""The steps of `scripts/demo`. They run before anything is installed: standard library only."""
