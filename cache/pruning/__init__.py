"""Making a variant smaller: what no image stands behind, and what is there twice."""
