"""Fax to e-mail, a file for each step that a push meets."""
