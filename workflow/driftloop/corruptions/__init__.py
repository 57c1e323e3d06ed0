"""Image corruptions as pure functions of images, severity and a random generator."""
