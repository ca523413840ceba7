"""Labelled images: directories, CSV files, named data sets and Python data sets, split and read."""
