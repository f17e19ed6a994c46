"""What a user wants: the study file, its fields, its checks and its data."""
