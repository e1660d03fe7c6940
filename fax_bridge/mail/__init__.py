"""Mail that leaves us: what it says (compose, words) and how it goes (relay)."""
