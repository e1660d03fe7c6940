"""What an administrator does before the first fax: write the settings, look whether all is well, send a test page."""
