"""Pixels: the one way from bytes to an image, the preprocessing policy, and augmentation."""
