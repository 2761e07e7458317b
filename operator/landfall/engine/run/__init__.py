"""The steps in their order: plan, run, go back."""
