"""Studies as jobs of a cluster: what is shipped, submitted, followed and stopped."""
