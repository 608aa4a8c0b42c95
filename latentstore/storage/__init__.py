"""What is on disk: the catalog (the truth), the vectors, the derived records, and the filters that read them."""
