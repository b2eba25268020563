"""Whether the learned prior knows when a digit of Stochastic Moving MNIST will turn, and where it then goes."""
