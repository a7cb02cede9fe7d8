"""The commands of runs over very many pictures, and of what they cost."""
