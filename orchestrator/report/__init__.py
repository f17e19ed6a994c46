"""What a study found, from its ledger alone."""
