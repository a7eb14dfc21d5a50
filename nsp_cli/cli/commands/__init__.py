"""One file per command: it declares the options, calls the library and shows the result."""
