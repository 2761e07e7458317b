"""Values the engine works on: catalog, plan, options, state of a run. Pure."""
