"""What is to be done: steps and their keys, pure in the study and the results."""
