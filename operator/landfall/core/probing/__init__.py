"""How what is asked whether it is there is decided on."""
