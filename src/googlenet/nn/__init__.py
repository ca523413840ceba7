"""The network in PyTorch: the only place where it is written."""
