"""Landfall brings applications and databases ashore, exactly, and can always go back."""
