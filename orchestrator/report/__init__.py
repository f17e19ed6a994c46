"""What a study found: frames, tables, the page, files, and the status of one that runs."""
