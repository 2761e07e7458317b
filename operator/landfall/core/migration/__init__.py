"""How a Migration is decided on."""
