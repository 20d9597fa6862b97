"""Filters: pictures that follow faces, such as hats, sunglasses and make-up."""
