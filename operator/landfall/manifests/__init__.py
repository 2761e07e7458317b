"""Builders of the objects that the operator creates, as plain dictionaries. Pure: the same input gives the same object."""
