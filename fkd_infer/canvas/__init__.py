"""What is drawn on: images in BGR, and the colour planes of videos."""
