"""Datasets, splits and windows of images."""
