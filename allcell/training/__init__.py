"""Training: labelled fields, tiles, augmentation, recipes and the training loop."""
