"""One file per vendor: its types, and the SQL that copies, checks and counts. Pure text."""
