"""Resources as the REST API shows them."""
