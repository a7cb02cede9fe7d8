"""How each kind of file is read as a slide."""
