"""What several commands do between their options and the library."""
