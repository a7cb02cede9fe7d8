"""Long work in a process of its own: its folder says how far it is, and it goes on after a kill."""
