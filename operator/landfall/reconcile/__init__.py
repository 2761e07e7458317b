"""The loop: a key comes in; look, decide, act once, report once."""
