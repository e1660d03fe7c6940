"""E-mail to fax, a file for each step that a message meets."""
