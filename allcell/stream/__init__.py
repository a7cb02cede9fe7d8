"""Live video: sources of frames, the frame worker, tracking and the tally. No browser in here."""
