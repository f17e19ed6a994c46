"""Figures and maps: what they show, and how matplotlib draws them."""
