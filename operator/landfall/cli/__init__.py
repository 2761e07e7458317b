"""A person's terminal. It reads manifests, shows what the engine says and turns answers into exit statuses."""
