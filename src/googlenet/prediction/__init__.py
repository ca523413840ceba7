"""Prediction: a classifier that takes images, and the rows that its answers are written as."""
