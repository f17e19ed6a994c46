"""The corpus of good but odd inputs: each is accepted, with the right values."""
