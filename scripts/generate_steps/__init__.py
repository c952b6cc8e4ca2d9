"""The parts of scripts/generate, a file for each page."""
