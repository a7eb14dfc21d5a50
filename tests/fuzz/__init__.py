"""Mutated photos and weights files against the property that nsp answers every one of them in order.

`make fuzz` runs it; tests/test_fuzz.py runs a short slice. Every case is known by its kind and number
alone, and so can be repeated: `python -m fuzz --kind tiff --case 123`.
"""
