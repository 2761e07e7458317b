"""The supported languages: package managers, versions, entry points."""
