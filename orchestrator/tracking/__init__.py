"""MLflow: what the driver writes there, what it lacks, and its page."""
