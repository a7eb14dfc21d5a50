"""The metadata that a photo carries: EXIF, XMP, IPTC and the containers they come in.

`ifd` reads and builds directories, `ifd_rows` changes their rows in place, `tiff_directories` knows where
a TIFF keeps them, and `patching` changes the few values that would be wrong for the result. The containers
are `jpeg_segments`, `bmff` and `heif_boxes`.
"""
