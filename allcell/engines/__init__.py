"""Networks on a device: one file per framework, and the decoders of their outputs."""
