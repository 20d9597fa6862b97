"""Random changes of images and of faces in them."""
