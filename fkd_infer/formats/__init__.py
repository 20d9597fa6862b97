"""Record formats: JSON lines, CSV, COCO, NPZ, Parquet."""
