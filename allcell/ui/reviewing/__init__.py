"""What Detect and Review share: the corrections of a session, and the desk that shows them."""
