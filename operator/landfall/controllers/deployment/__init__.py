"""The Deployment controller: which release should be live, and the next step towards it."""
