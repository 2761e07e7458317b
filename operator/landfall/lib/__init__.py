"""Small tools with one noun per file. Nothing in here imports another package of Landfall."""
