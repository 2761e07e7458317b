"""Objects that the operator creates, as plain dictionaries. Pure: the same input makes the same object."""
