"""Pictures: reading, measuring, preparing for a network, drawing on them."""
