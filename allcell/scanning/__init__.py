"""A slide as a model sees it: in regions, looked at as the view moves, or swept as a whole."""
