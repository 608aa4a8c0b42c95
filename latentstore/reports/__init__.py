"""A study of a collection as one HTML file."""
