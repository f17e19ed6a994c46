"""`nemo plan --simulate`: the real plan and the real rules on a cluster that is not there."""
