"""How a Connection is decided on."""
