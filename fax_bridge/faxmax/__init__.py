"""All that is known or guessed of FaxMAX, and a stand-in for it."""
