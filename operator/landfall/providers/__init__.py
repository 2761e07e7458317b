"""Outside services, each behind a small client with errors of Landfall."""
