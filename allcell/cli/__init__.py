"""The commands, one file for each group of them. Importing a file registers its commands."""
