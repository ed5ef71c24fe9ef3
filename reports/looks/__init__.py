"""Pictures of what `interpret` finds, one file for each command `bottlebank look`."""
