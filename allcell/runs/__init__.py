"""Long work in the background: with progress and a stop, one heavy run at a time on the machine."""
