"""Saved modules: chosen, cut out of a study, composed, written as files, and registered."""
