"""Pure functions on arrays: neighbours, clusters, outliers, duplicates, maps. No store, no files."""
