"""Teaching: an own-laboratory model made from reviewed fields."""
