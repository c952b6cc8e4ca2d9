"""The parts of scripts/test."""
