"""Putting the new in the place of the old, and back."""
