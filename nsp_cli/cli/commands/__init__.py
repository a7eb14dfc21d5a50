"""One file per command. It declares the options, calls the library and shows the result."""
