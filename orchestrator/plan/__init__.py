"""What is to be done: steps and their keys, what of them may run now, and which training is next."""
