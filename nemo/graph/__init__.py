"""Any network: followed by `torch.export`, masked by hooks, and cut exactly (docs/any-network.md)."""
