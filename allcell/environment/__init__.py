"""Where allcell runs: how it is installed and started, what is switched off, which versions."""
