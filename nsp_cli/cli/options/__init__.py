"""The options of the commands. Each is declared once."""
