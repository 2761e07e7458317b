"""What a tree of files is an app of, read from its manifests and its code, with the evidence. Pure."""
