"""Reading each kind of picture file; only `allcell.imaging.images` leads here."""
