"""What each language needs to build: package managers, versions, entry points."""
