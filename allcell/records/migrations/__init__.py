"""Alembic's migrations of the case database: one file a version, in order."""
