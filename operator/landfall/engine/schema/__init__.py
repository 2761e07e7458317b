"""The source's catalog as values, and the spelling of names."""
