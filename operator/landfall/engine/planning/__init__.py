"""From a catalog to a plan that a person can approve. Pure."""
