"""The metadata that a photo carries: EXIF, XMP, IPTC and the containers they come in."""
