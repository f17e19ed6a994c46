"""This machine: processes, ports, signals, the environment, terminals."""
