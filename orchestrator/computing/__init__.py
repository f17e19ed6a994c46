"""What a worker computes for a step, without Ray: data sets, networks, results."""
