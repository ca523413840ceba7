"""Weights: model directories, published weights, and where fine-tuning starts from."""
