"""The Migration controller."""
