"""Small networks for some classes, derived from a network that is already trained (method.md 9)."""
