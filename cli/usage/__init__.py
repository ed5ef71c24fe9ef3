"""How options are set and what is said when they are wrong: environment variables, suggestions."""
