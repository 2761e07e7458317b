"""What the tests stand on: servers of their own, an independent checker, and the harness that breaks things."""
