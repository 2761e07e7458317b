"""One folder per kind: observe (reads only), rules (pure), act (one action), status."""
