"""Reading each kind of picture file. `allcell.images` is the door; nothing else enters here."""
