"""Cases that a user keeps: fields, corrections, signatures and an append-only audit trail."""
