"""How good heads are, how far the figures can be trusted, and which differences are real."""
