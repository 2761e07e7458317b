"""How a Deployment is decided on: which Release should serve, what is next towards it, and what of the others may go."""
