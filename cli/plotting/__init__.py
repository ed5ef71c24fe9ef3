"""What `bottlebank plot` draws: a module for each case, of an image, of a dataset, and its map."""
