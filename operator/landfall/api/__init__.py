"""The kinds: what a person writes, as documented models. Pure; nothing here does any I/O."""
