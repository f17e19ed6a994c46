"""Driving a study: the plan minus the ledger, through Ray, into the ledger and MLflow; start at `run`."""
