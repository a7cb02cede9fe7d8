"""Long jobs in the background, with progress and a way to stop; one heavy run at a time."""
