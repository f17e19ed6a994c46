"""The Ray cluster: our own head, how much fits on its nodes, and the files that start one."""
