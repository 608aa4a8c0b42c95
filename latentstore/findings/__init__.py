"""What analyses give back: plain values that stay good after the store has closed."""
