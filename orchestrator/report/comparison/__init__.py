"""Studies side by side: what differs in settings, and in results by more than seeds make them differ."""
