"""Deciding: plain functions from what was seen to what is to be done. No clock, no network; `now` is an argument."""
