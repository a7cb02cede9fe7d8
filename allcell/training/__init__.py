"""Training: labelled fields, tiles, augmentation, recipes and the loop."""
