"""OCI images: layers, layout, registry, push."""
