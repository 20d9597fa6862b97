"""Pictures that follow faces: hats, sunglasses, make-up."""
