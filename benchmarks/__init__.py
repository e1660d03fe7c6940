"""How fast, how large, how soon: measured beside the field's peers, in one run on one machine. See README.md."""
