"""What is finished: one immutable result per step, and who may write it."""
