"""Small tools, one topic per file. No module in this package imports another package of Landfall."""
