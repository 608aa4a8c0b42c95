"""Media: files of pictures and sounds → arrays, the same way for what is stored and for what asks."""
