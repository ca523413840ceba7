"""Evaluation: the measures of a classifier on labelled images, and the files that hold them."""
