"""Networks on a device: one file a framework, and the decoders of their outputs."""
