"""Networks from strangers: inspected, tried in a child process, then a Detector like any other."""
