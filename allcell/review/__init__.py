"""What a person says of suggested cells: pure types and functions, no database, no page."""
