"""One file a version. A released one is never changed: its databases are out there."""
