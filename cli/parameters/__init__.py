"""What commands take: options that several share, their types, the names they choose from."""
