"""What is done with pixels: read, measured, prepared for a network, drawn on."""
