"""What browser sessions hold in memory: how much they may, and that it is let go at the end."""
