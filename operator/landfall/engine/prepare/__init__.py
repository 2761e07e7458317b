"""Planning with I/O: profiling, matching, dry run of every statement."""
